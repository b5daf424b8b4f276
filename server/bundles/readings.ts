import { fillContents } from '../catalog/bundle-contents.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { Logger } from '../log.ts';
import { type ArchiveContents, areBeingRead, type BundleVersion } from '../model/bundle.ts';
import type { ArchiveReading } from './archive-reader.ts';

/** Contents of an archive that will be known. */
export interface ContentsUnderWay {
  /** Never rejects. */
  readonly contents: Promise<ArchiveContents>;
  /** Much is left to be read: to wait a little would be in vain. */
  isLate(): boolean;
  /** Nobody wants to know any more. */
  abandon(): void;
}

/** What a reading will answer, or has answered: `contents`. */
export function contentsUnderWay(reading: ArchiveReading, contents: Promise<ArchiveContents>): ContentsUnderWay {
  return { contents, isLate: () => reading.isLate(), abandon: () => reading.abandon() };
}

// Each holds a file open, and where bytes go to S3 its room on disk: the rest is left to the job.
const AT_MOST = 16;

/** What this node is reading of versions that are published already. */
export class Readings {
  readonly #catalog: Catalog;
  readonly #log: Logger;
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #ended = Promise.withResolvers<void>();

  constructor(parts: { readonly catalog: Catalog; readonly log: Logger }) {
    this.#catalog = parts.catalog;
    this.#log = parts.log;
  }

  /** Writes the contents of the version when they are known. Whatever goes wrong is left to the job. */
  follow(version: BundleVersion, inside: ContentsUnderWay): void {
    if (this.#underWay.size >= AT_MOST) {
      inside.abandon();
      return;
    }
    const key = keyOf(version);
    const before = this.#underWay.get(key);
    const written = Promise.all([before, this.#write(version, inside)]).then(() => {
      if (this.#underWay.get(key) === written) this.#underWay.delete(key);
    });
    this.#underWay.set(key, written);
  }

  async #write(version: BundleVersion, { contents }: ContentsUnderWay): Promise<void> {
    const known = await contents;
    if (areBeingRead(known)) return;
    try {
      await this.#catalog.write(() => fillContents(version, known));
    } catch (error) {
      const { app, version: number } = version;
      this.#log.warn({ err: error, app, version: number }, 'contents could not be written; they will be read again');
    }
  }

  /** Resolves when nothing of `versions` is being read here any more, or nobody shall wait any longer. False: nothing was. */
  async settled(versions: readonly BundleVersion[]): Promise<boolean> {
    const readings = versions.flatMap((version) => this.#underWay.get(keyOf(version)) ?? []);
    return await this.#wait(readings);
  }

  /** The same for whatever is being read here. */
  async allSettled(): Promise<boolean> {
    return await this.#wait([...this.#underWay.values()]);
  }

  /** From now on nobody waits. */
  endWaiting(): void {
    this.#ended.resolve();
  }

  /** Resolves when nothing is being written any more. To be called after the reader was closed. */
  async close(): Promise<void> {
    this.endWaiting();
    await Promise.all(this.#underWay.values());
  }

  async #wait(readings: readonly Promise<void>[]): Promise<boolean> {
    if (readings.length === 0) return false;
    await Promise.race([Promise.all(readings), this.#ended.promise]);
    return true;
  }
}

function keyOf({ app, version }: BundleVersion): string {
  return `${app}/${version}`;
}
