import { createHash } from 'node:crypto';
import type { BlobStore, Spooled } from '../../storage/blob-store.ts';
import type { FileBytes } from '../../storage/descriptor.ts';
import type { Digest } from '../../storage/digest.ts';
import { parseDigest } from '../../storage/digest.ts';
import { withSpooled } from '../../storage/with-spooled.ts';
import type { BlobKeeper } from '../blob-keeper.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { HotReads } from '../catalog/hot-reads.ts';
import { bumpRevision } from '../catalog/project-state.ts';
import { findStoredFile, findStoredMetadata, recordMetadata, recordPulledFile } from '../catalog/stored-files.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { parseCoreMetadata } from '../model/core-metadata.ts';
import type { DistributionFile } from '../model/distribution-file.ts';
import { distributionOf } from '../model/filename.ts';
import { type ProjectName, projectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import type { Downloads, GrowingFile } from '../upstream/download.ts';
import { otherHashOf } from '../upstream/other-hash.ts';
import { SingleFlight } from '../upstream/single-flight.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { extractWheelMetadata, MAX_METADATA_BYTES, WheelMetadataError } from '../wheel-metadata.ts';
import type { FileUses } from './file-uses.ts';
import type { KnownFile } from './known-page.ts';
import { cannotBeKept } from './passing-pages.ts';
import { metadataOfStored, restoreMetadata } from './stored-wheel.ts';

export interface PullParts {
  readonly upstream: Upstream;
  readonly downloads: Downloads;
  readonly keeper: BlobKeeper;
  readonly blobs: BlobStore;
  readonly catalog: Catalog;
  readonly hot: HotReads;
  readonly clock: Clock;
  readonly log: Logger;
  readonly spoolDir: string;
  /** Told of stored files that are asked for. */
  readonly uses: Pick<FileUses, 'note'>;
}

interface KeptMetadata {
  readonly digest: Digest;
  readonly size: number;
  /** They could not be kept: these are they. */
  readonly passing?: Buffer;
}

/** Brings files of one upstream into the store: each once, however many ask. */
export class FilePuller {
  readonly #parts: PullParts;
  readonly #metadata = new SingleFlight<string, KeptMetadata | undefined>();
  readonly #restored = new SingleFlight<string, boolean>();

  constructor(parts: PullParts) {
    this.#parts = parts;
  }

  /**
   * The file's bytes as they come from upstream; stored once they are whole and right. Throws `file-not-found`,
   * `upstream-unavailable`, `upstream-timeout`.
   */
  async pull(project: ProjectName, file: KnownFile): Promise<GrowingFile> {
    const { upstream, downloads } = this.#parts;
    const sha256 = sha256Of(file);
    const otherHash = otherHashOf(file.hashes);
    return downloads.fetch({
      upstream,
      target: {
        project,
        filename: file.filename,
        url: addressOf(file),
        ...(sha256 === undefined ? {} : { sha256 }),
      },
      expected: {
        ...(sha256 === undefined ? {} : { sha256 }),
        ...(otherHash === undefined ? {} : { otherHash }),
        ...(file.size === undefined ? {} : { size: file.size }),
      },
      whenStored: (spooled, bytes) => this.#store(project, file, { spooled, bytes }),
    });
  }

  /** The file's core metadata, kept from now on if that can be; `undefined` when it has none. Throws like `pull`. */
  async metadata(project: ProjectName, file: KnownFile): Promise<KeptMetadata | undefined> {
    const isWheel = file.filename.endsWith('.whl');
    if (file.coreMetadata === undefined && !isWheel) return undefined;
    return this.#metadata.run(`${project}/${file.filename}`, async () => {
      const { catalog, upstream } = this.#parts;
      const stored = await catalog.read(() => findStoredFile(upstream.name, project, file.filename));
      if (stored !== undefined && isWheel) return this.#extractStored(project, file, stored);
      if (file.coreMetadata === undefined) return this.#pulledMetadata(project, file);
      let failure: unknown;
      try {
        const kept = await this.#fetchMetadata(project, file);
        if (kept !== undefined) {
          if (kept.passing === undefined) await this.#record(project, file, { ...kept, source: 'upstream' });
          return kept;
        }
      } catch (error) {
        // In the time that this took the wheel would not come either.
        if (!isWheel || !(error instanceof Problem) || error.slug !== 'upstream-unavailable') throw error;
        failure = error;
      }
      if (!isWheel) throw new Problem('file-not-found', `There is no core metadata of ${file.filename}.`);
      return this.#pulledMetadata(project, file).catch((error: unknown) => {
        throw failure ?? error;
      });
    });
  }

  /** Out of the wheel, which is pulled for that. Throws like `pull`. */
  async #pulledMetadata(project: ProjectName, file: KnownFile): Promise<KeptMetadata> {
    const { catalog, upstream } = this.#parts;
    const growing = await this.pull(project, file);
    growing.close();
    await growing.done;
    const kept = await catalog.read(() => findStoredMetadata(upstream.name, project, file.filename));
    if (kept === undefined) throw new Problem('file-not-found', `There is no core metadata in ${file.filename}.`);
    return kept;
  }

  async #store(
    project: ProjectName,
    file: KnownFile,
    came: { readonly spooled: Spooled; readonly bytes: FileBytes },
  ): Promise<void> {
    const { keeper, catalog, clock, upstream } = this.#parts;
    const { spooled } = came;
    const { digest, size } = spooled;
    const bytes = await this.#metadataFor(project, file, came.bytes);
    const metadata = bytes && { ...(await this.#keepBytes(bytes, spooled)), source: 'file' as const };
    if (metadata === undefined) await keeper.keep(spooled);
    const { missingSince: _missing, removedAt: _removed, ...detail } = file;
    const changesPage =
      file.hashes.sha256 === undefined ||
      file.size === undefined ||
      (metadata !== undefined && !announces(file, metadata.digest));
    await catalog.write(() =>
      recordPulledFile(
        {
          repository: upstream.name,
          project,
          detail,
          version: distributionOf(file.filename, project).version ?? '',
          digest,
          size,
          changesPage,
          ...(metadata === undefined ? {} : { metadata }),
        },
        clock.nowMs(),
      ),
    );
  }

  /** The metadata to keep beside a wheel that is about to be stored: so that it can be had for as long as the wheel can. */
  async #metadataFor(project: ProjectName, file: KnownFile, wheel: FileBytes): Promise<Buffer | undefined> {
    const { catalog, upstream, log } = this.#parts;
    if (!file.filename.endsWith('.whl')) return undefined;
    const kept = await catalog.read(() => findStoredMetadata(upstream.name, project, file.filename));
    // Upstream's word counts where its page gave a digest of them, as clients check them by it.
    if (kept !== undefined && announces(file, kept.digest)) return undefined;
    try {
      return await extractWheelMetadata(wheel, file.filename);
    } catch (error) {
      // The bytes are what upstream promised, so they are kept; only what we would make of them cannot be had.
      log.warn({ project, file: file.filename, err: error }, 'no core metadata could be read from a wheel');
      return undefined;
    }
  }

  async #extractStored(
    project: ProjectName,
    file: DistributionFile,
    stored: KeptMetadata,
  ): Promise<KeptMetadata | undefined> {
    const { catalog, upstream } = this.#parts;
    const kept = await catalog.read(() => findStoredMetadata(upstream.name, project, file.filename));
    if (kept !== undefined) return kept;
    try {
      const bytes = await metadataOfStored({ ...stored, filename: file.filename }, this.#parts);
      const fresh = await this.#keepBytes(bytes);
      await this.#record(project, file, { ...fresh, source: 'file' });
      return fresh;
    } catch (error) {
      // Said in the log when it was stored; its page announces none.
      if (error instanceof WheelMetadataError) return undefined;
      throw error;
    }
  }

  /**
   * Stores core metadata again that the store has lost: out of their wheel, else from upstream, when `listed` still has them. False:
   * they cannot be had, or are others by now. Throws like `pull`.
   */
  async restoreMetadata(
    project: ProjectName,
    filename: string,
    { lost, listed }: { readonly lost: Digest; readonly listed: () => Promise<KnownFile | undefined> },
  ): Promise<boolean> {
    return this.#restored.run(`${project}/${filename}`, async () => {
      const { catalog, upstream } = this.#parts;
      const stored = await catalog.read(() => findStoredFile(upstream.name, project, filename));
      const isWheel = filename.endsWith('.whl');
      if (isWheel && stored !== undefined && (await restoreMetadata(stored, lost, this.#parts))) return true;
      const file = await listed();
      const kept = file?.coreMetadata === undefined ? undefined : await this.#fetchMetadata(project, file);
      if (file === undefined || kept === undefined || kept.passing !== undefined) return false;
      if (kept.digest !== lost) await this.#record(project, file, { ...kept, source: 'upstream' });
      return kept.digest === lost;
    });
  }

  async #record(
    project: ProjectName,
    file: DistributionFile,
    metadata: KeptMetadata & { source: 'upstream' | 'file' },
  ): Promise<void> {
    const { catalog, upstream, clock } = this.#parts;
    await catalog.write(function* () {
      yield* recordMetadata(upstream.name, project, file.filename, metadata);
      if (!announces(file, metadata.digest)) yield* bumpRevision(upstream.name, project, clock.nowMs());
    });
  }

  /** The `.metadata` that upstream announced, kept if that can be; `undefined` when it is not what was announced, or not there. */
  async #fetchMetadata(project: ProjectName, file: KnownFile): Promise<KeptMetadata | undefined> {
    const { upstream, log } = this.#parts;
    const announced = typeof file.coreMetadata === 'object' ? file.coreMetadata.sha256?.toLowerCase() : undefined;
    let body: Buffer;
    try {
      body = await askMetadata(upstream, { project, file, sha256: parseDigest(announced ?? '') });
    } catch (error) {
      if (error instanceof Problem && error.slug === 'file-not-found') return undefined;
      throw error;
    }
    const digest = createHash('sha256').update(body).digest('hex') as Digest;
    if (announced === undefined ? !areMetadataOf(project, body) : announced !== digest) {
      log.warn(
        { upstream: upstream.name, project, file: file.filename },
        'upstream sent other core metadata than it announced',
      );
      return undefined;
    }
    try {
      return await this.#keepBytes(body);
    } catch (error) {
      if (!cannotBeKept(error)) throw error;
      return { digest, size: body.length, passing: body };
    }
  }

  /** Keeps metadata, and their wheel with them. */
  async #keepBytes(bytes: Buffer, ...wheel: readonly Spooled[]): Promise<KeptMetadata> {
    const { keeper, spoolDir } = this.#parts;
    return await withSpooled(spoolDir, bytes, async (spooled) => {
      await keeper.keep(spooled, ...wheel);
      return { digest: spooled.digest, size: spooled.size };
    });
  }
}

/** The `.metadata` beside a file, unchecked; with a digest from wherever they are listed by it. Throws as `Upstream.document`. */
export async function askMetadata(
  upstream: Upstream,
  asked: { readonly project: ProjectName; readonly file: KnownFile; readonly sha256: Digest | undefined },
): Promise<Buffer> {
  const { project, file, sha256 } = asked;
  const url = new URL(addressOf(file));
  url.pathname += '.metadata';
  const listed = sha256 && { project, filename: `${file.filename}.metadata`, sha256 };
  const options = { accept: '*/*', maxBytes: MAX_METADATA_BYTES, ...(listed === undefined ? {} : { listed }) };
  return (await upstream.document(url, options)).body;
}

/** Without a digest to tell: not a sign-in page, nor those of something else. */
function areMetadataOf(project: ProjectName, bytes: Buffer): boolean {
  const { metadataVersion, name, version } = parseCoreMetadata(bytes);
  return metadataVersion !== undefined && version !== undefined && projectName(name ?? '') === project;
}

function announces(file: DistributionFile, digest: Digest): boolean {
  return typeof file.coreMetadata === 'object' && file.coreMetadata.sha256 === digest;
}

function sha256Of(file: DistributionFile): Digest | undefined {
  return file.hashes.sha256 === undefined ? undefined : parseDigest(file.hashes.sha256);
}

/** Where upstream's page says that the file is. */
export function addressOf(file: DistributionFile): URL {
  if (file.url === undefined) throw new Error(`the page kept no address of ${file.filename}`);
  return new URL(file.url);
}
