import type { BlobStore } from '../../storage/blob-store.ts';
import { type Digest, parseDigest } from '../../storage/digest.ts';
import type { ProjectState } from '../catalog/project-state.ts';
import { forgetLostFile, type StoredFile, type StoredMetadata } from '../catalog/stored-files.ts';
import { archiveOf, contentTypeOf } from '../model/filename.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import type { GrowingFile } from '../upstream/download.ts';
import type { KnownFile } from './known-page.ts';
import type { IndexedPage } from './known-pages.ts';
import { PastStore } from './past-store.ts';
import { FilePuller, type PullParts } from './pull-file.ts';
import { type FileBody, FROM_MEMORY, type Look, type Origin, type ServedFile, type View } from './repository.ts';
import { bytesBody, storedBody, storedFile } from './stored-file.ts';
import { refuseLater, refuseQuarantined, whyNotHere } from './view-page.ts';

/** What the files of an upstream need of its pages. */
export interface PageSource {
  /** What is known of a project, up to date if that is possible; begins with what `look` has seen. */
  state(name: ProjectName, look: Look): Promise<{ readonly known: ProjectState | undefined; readonly origin: Origin }>;
  /** The project asked again, since its page lacks something. */
  refreshed(name: ProjectName, known: ProjectState): Promise<ProjectState | undefined>;
  page(known: ProjectState): Promise<IndexedPage | undefined>;
}

const SUFFIX = '.metadata';

/** The files of one upstream: from the store, else pulled through; what no page lists is not there. */
export class ProxiedFiles {
  readonly #parts: PullParts;
  readonly #pages: PageSource;
  readonly #puller: FilePuller;
  readonly #blobs: BlobStore;
  readonly #repository: string;
  readonly #pastStore: PastStore;

  constructor(parts: PullParts, pages: PageSource) {
    this.#parts = parts;
    this.#pages = pages;
    this.#puller = new FilePuller(parts);
    this.#blobs = parts.blobs;
    this.#repository = parts.upstream.name;
    this.#pastStore = new PastStore(parts, (name, filename) => this.#listed(name, filename, { offline: false }));
  }

  async find(name: ProjectName, filename: string, view: Look): Promise<ServedFile | undefined> {
    const archive = archiveOf(filename);
    if (archive !== filename) return this.#metadata(name, archive, view);
    const stored = await this.#stored(name, filename, view);
    if (stored !== undefined) {
      this.#parts.uses.note(this.#repository, name, stored);
      return this.#storedFile(name, stored, view);
    }
    const file = await this.#listed(name, filename, view);
    if (file === undefined) return undefined;
    // Also to who asks for the head only: what cannot be had is not announced.
    this.#refuseWhileDown();
    return this.#coldFile(name, file);
  }

  async #stored(name: ProjectName, filename: string, view: Look): Promise<StoredFile | undefined> {
    const stored = await (view.seen ?? this.#parts.hot).storedFile(this.#repository, name, filename);
    if (stored === undefined) return undefined;
    refuseQuarantined(stored.status);
    refuseLater(stored, view, filename);
    return stored;
  }

  /** The file as upstream's page lists it; `undefined` when the project is not known. */
  async #listed(name: ProjectName, filename: string, view: Look): Promise<KnownFile | undefined> {
    if (view.offline) {
      const known = await (view.seen ?? this.#parts.hot).projectState(this.#repository, name);
      if (known === undefined || !known.present) return undefined;
      this.#parts.hot.certain();
      throw new Problem('file-not-found', `${filename} is not stored here.`);
    }
    const { known } = await this.#pages.state(name, view);
    if (known === undefined || !known.present) return undefined;
    refuseQuarantined(known.status);
    this.#parts.hot.certain();
    const file = (await this.#pages.page(known))?.files.get(filename) ?? (await this.#lookAgain(name, known, filename));
    if (file === undefined || file.removedAt !== undefined) {
      throw new Problem('file-not-found', `The index lists no file ${filename} of ${name}.`);
    }
    refuseLater(file, view, filename);
    return file;
  }

  async #lookAgain(name: ProjectName, known: ProjectState, filename: string): Promise<KnownFile | undefined> {
    const now = await this.#pages.refreshed(name, known);
    if (now === undefined || !now.present) return undefined;
    refuseQuarantined(now.status);
    return (await this.#pages.page(now))?.files.get(filename);
  }

  #storedFile(name: ProjectName, stored: StoredFile, view: View): ServedFile {
    const { filename, digest, size, storedAt } = stored;
    return storedFile(this.#blobs, {
      filename,
      contentType: contentTypeOf(filename),
      digest,
      size,
      modifiedAt: stored.uploadTime === undefined ? storedAt : Date.parse(stored.uploadTime),
      origin: originOf(stored),
      whenLost: () => this.#pullLost(name, filename),
      ...(view.offline ? {} : { whenAway: (away) => this.#pastStore.file(name, stored, away) }),
    });
  }

  /** A row without bytes is our fault, not the client's: forget the row and pull the file through again. */
  async #pullLost(name: ProjectName, filename: string): Promise<FileBody> {
    this.#parts.log.error(
      { repository: this.#repository, project: name, file: filename },
      'the bytes of a stored file are lost',
    );
    await this.#parts.catalog.write(() => forgetLostFile(this.#repository, name, filename));
    const file = await this.#listed(name, filename, { offline: false });
    if (file === undefined) throw new Problem('file-not-found', `The bytes of ${filename} are lost.`);
    return { ...(await this.#pull(name, file)), origin: { outcome: 'miss' } };
  }

  #coldFile(name: ProjectName, file: KnownFile): ServedFile {
    const sha256 = file.hashes.sha256 === undefined ? undefined : parseDigest(file.hashes.sha256);
    return {
      filename: file.filename,
      contentType: contentTypeOf(file.filename),
      origin: { outcome: 'miss' },
      locate: async () => undefined,
      open: () => this.#pull(name, file),
      keep: (onCome) => this.#keep(name, file, onCome),
      ...(file.size === undefined ? {} : { size: file.size }),
      ...(sha256 === undefined ? {} : { digest: sha256 }),
      ...(file.uploadTime === undefined ? {} : { modifiedAt: Date.parse(file.uploadTime) }),
    };
  }

  async #pull(name: ProjectName, file: KnownFile): Promise<FileBody> {
    const growing = await this.#growing(name, file);
    return {
      ...(growing.size === undefined ? {} : { size: growing.size }),
      send: (range, out) => growing.send(range, out),
      close: () => growing.close(),
    };
  }

  async #keep(name: ProjectName, file: KnownFile, onCome: () => void = () => {}): Promise<void> {
    const growing = await this.#growing(name, file);
    try {
      await growing.hasCome;
      onCome();
      await growing.done;
    } finally {
      growing.close();
    }
  }

  async #growing(name: ProjectName, file: KnownFile): Promise<GrowingFile> {
    this.#refuseWhileDown();
    return await this.#puller.pull(name, file);
  }

  #refuseWhileDown(): void {
    const { state, since, retryAfter } = this.#parts.upstream.health();
    if (state !== 'open') return;
    throw new Problem('not-stored', `The file is ${whyNotHere(this.#repository, since)}.`, { retryAfter });
  }

  async #metadata(name: ProjectName, filename: string, view: Look): Promise<ServedFile | undefined> {
    const reads = view.seen ?? this.#parts.hot;
    const [known, kept, stored] = await Promise.all([
      reads.projectState(this.#repository, name),
      reads.storedMetadata(this.#repository, name, filename),
      this.#stored(name, filename, view),
    ]);
    if (known !== undefined) refuseQuarantined(known.status);
    if (kept !== undefined && (stored !== undefined || (view.at === undefined && !view.offline))) {
      return this.#metadataFile({ name, filename, view }, kept, originOf(kept));
    }
    const listed = stored === undefined ? await this.#listed(name, filename, view) : asKnown(stored);
    if (listed === undefined) return undefined;
    const pulled = kept === undefined ? await this.#puller.metadata(name, listed) : undefined;
    if (pulled?.passing !== undefined) return passingMetadata(filename, pulled.digest, pulled.passing);
    const metadata = kept ?? pulled;
    if (metadata === undefined) throw new Problem('file-not-found', `There is no core metadata of ${filename}.`);
    return this.#metadataFile({ name, filename, view }, metadata, {
      outcome: kept === undefined && stored === undefined ? 'miss' : 'hit',
    });
  }

  #metadataFile(
    asked: { readonly name: ProjectName; readonly filename: string; readonly view: View },
    kept: StoredMetadata,
    origin: Origin,
  ): ServedFile {
    const { name, filename, view } = asked;
    const { digest, size } = kept;
    return {
      ...storedFile(this.#blobs, {
        filename: `${filename}${SUFFIX}`,
        contentType: contentTypeOf(`${filename}${SUFFIX}`),
        ...{ digest, size, origin },
        whenLost: async () => {
          const listed = async () => (view.offline ? undefined : this.#listed(name, filename, { offline: false }));
          if (await this.#puller.restoreMetadata(name, filename, { lost: digest, listed })) {
            return await storedBody(this.#blobs, { digest, size });
          }
          const sentence = `The core metadata of ${filename} cannot be read at the moment.`;
          throw new Problem('storage-unavailable', sentence, { retryAfter: 30 });
        },
        ...(view.offline ? {} : { whenAway: (away) => this.#pastStore.metadata(name, filename, { kept, away }) }),
      }),
      locate: async () => undefined,
      keep: async () => {},
    };
  }
}

/** Core metadata that could not be kept. */
function passingMetadata(archive: string, digest: Digest, bytes: Buffer): ServedFile {
  const filename = `${archive}${SUFFIX}`;
  return {
    ...{ filename, digest, contentType: contentTypeOf(filename), size: bytes.length },
    origin: { outcome: 'miss', detail: 'not-kept' },
    locate: async () => undefined,
    open: async () => bytesBody(bytes),
    keep: async () => {
      throw new Problem('storage-full', `${filename} could not be stored.`, { retryAfter: 60 });
    },
  };
}

function originOf(kept: StoredFile | StoredMetadata): Origin {
  return kept.isRemembered ? FROM_MEMORY : { outcome: 'hit' };
}

function asKnown(stored: StoredFile): KnownFile {
  return { filename: stored.filename, hashes: { sha256: stored.digest }, size: stored.size };
}
