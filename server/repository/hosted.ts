import type { Digest } from '../../storage/digest.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { findHostedPage } from '../catalog/hosted.ts';
import type { HotReads } from '../catalog/hot-reads.ts';
import { listProjectNames, type ProjectState } from '../catalog/project-state.ts';
import type { ProjectDetail } from '../model/distribution-file.ts';
import { archiveOf, contentTypeOf, distributionOf } from '../model/filename.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import { SingleFlight } from '../upstream/single-flight.ts';
import { eachName } from './each-name.ts';
import {
  FROM_MEMORY,
  type Look,
  type PageState,
  type Repository,
  type Revision,
  type ServedFile,
  type View,
} from './repository.ts';
import { storedBody, storedFile } from './stored-file.ts';
import { restoreMetadata, type StoredWheel, type WheelParts } from './stored-wheel.ts';
import { isInTime, refuseLater, refuseQuarantined } from './view-page.ts';

/** The projects that are uploaded here. */
export class Hosted implements Repository {
  readonly name: string;
  readonly #catalog: Catalog;
  readonly #hot: HotReads;
  readonly #wheels: WheelParts;
  readonly #restored = new SingleFlight<Digest, boolean>();

  constructor(parts: WheelParts & { readonly name: string; readonly catalog: Catalog; readonly hot: HotReads }) {
    this.name = parts.name;
    this.#catalog = parts.catalog;
    this.#hot = parts.hot;
    this.#wheels = parts;
  }

  projects(view: View): AsyncIterable<ProjectName> {
    return eachName((after, limit) =>
      this.#catalog.read(() => listProjectNames(this.name, { after, limit, storedOnly: view.offline })),
    );
  }

  stateNow(name: ProjectName, view: Look): PageState | 'absent' | undefined {
    const known = (view.seen ?? this.#hot).projectStateNow?.(this.name, name);
    if (known === undefined || known === 'absent') return known;
    return known.present ? this.#pageState(known, view) : 'absent';
  }

  async state(name: ProjectName, view: Look): Promise<PageState | undefined> {
    const known = await (view.seen ?? this.#hot).projectState(this.name, name);
    return known === undefined || !known.present ? undefined : this.#pageState(known, view);
  }

  #pageState(known: ProjectState, view: View): PageState {
    const at = view.at === undefined ? '' : `.at.${view.at}`;
    return {
      revision: `${this.name}.${known.revision}${at}` as Revision,
      origin: known.isRemembered ? FROM_MEMORY : { outcome: 'hit', detail: view.offline ? 'offline' : 'hosted' },
      repository: this.name,
      maxAge: 0,
    };
  }

  async project(name: ProjectName, view: View): Promise<ProjectDetail | undefined> {
    const detail = await this.#catalog.read(() => findHostedPage(this.name, name));
    if (detail === undefined || view.at === undefined) return detail;
    const files = detail.files.filter((file) => isInTime(file, view));
    const versions = new Set(files.map((file) => distributionOf(file.filename, name).version));
    return { ...detail, files, versions: [...versions].filter((version) => version !== undefined) };
  }

  async file(name: ProjectName, filename: string, view: Look): Promise<ServedFile | undefined> {
    const reads = view.seen ?? this.#hot;
    const archive = archiveOf(filename);
    const isMetadata = archive !== filename;
    const stored = await reads.storedFile(this.name, name, archive);
    if (stored === undefined) {
      const known = await reads.projectState(this.name, name);
      if (known === undefined || !known.present) return undefined;
      this.#hot.certain();
      throw new Problem('file-not-found', `${name} has no file ${filename} here.`);
    }
    refuseQuarantined(stored.status);
    refuseLater(stored, view, filename);
    const bytes = isMetadata
      ? await reads.storedMetadata(this.name, name, archive)
      : { digest: stored.digest, size: stored.size };
    if (bytes === undefined) this.#hot.certain();
    if (bytes === undefined) throw new Problem('file-not-found', `There is no core metadata of ${archive}.`);
    const { blobs } = this.#wheels;
    return storedFile(blobs, {
      filename,
      contentType: contentTypeOf(filename),
      digest: bytes.digest,
      size: bytes.size,
      modifiedAt: stored.uploadTime === undefined ? stored.storedAt : Date.parse(stored.uploadTime),
      origin: stored.isRemembered ? FROM_MEMORY : { outcome: 'hit', detail: 'hosted' },
      whenLost: async () => {
        const isWheel = isMetadata && archive.endsWith('.whl');
        if (isWheel && (await this.#restoreMetadata(stored, bytes.digest))) return await storedBody(blobs, bytes);
        throw new Problem('storage-unavailable', `The bytes of ${filename} cannot be read at the moment.`, {
          retryAfter: 30,
        });
      },
    });
  }

  #restoreMetadata(wheel: StoredWheel, lost: Digest): Promise<boolean> {
    return this.#restored.run(lost, () => restoreMetadata(wheel, lost, this.#wheels));
  }
}
