import { constants, fstat, type Stats } from 'node:fs';
import { promisify } from 'node:util';
import { LRUCache } from 'lru-cache';
import { Descriptor } from './descriptor.ts';
import type { Digest } from './digest.ts';

/** An open blob; `file` is retained for whoever was handed it, who releases it. */
export interface OpenBlob {
  readonly file: Descriptor;
  readonly size: number;
}

const statOf: (fd: number) => Promise<Stats> = promisify(fstat);

/** Keeps the descriptors of blobs in use open: no open and no stat for a file that is served often. */
export class OpenBlobs {
  readonly #kept: LRUCache<Digest, OpenBlob>;
  /** Counts what was forgotten: what was opened before that may be a file that has no name any more. */
  #forgotten = 0;

  /** `keep`: how many descriptors at most, beside those under way. */
  constructor(keep: number) {
    this.#kept = new LRUCache({ max: keep, dispose: ({ file }) => file.release() });
  }

  /** Throws the system's error. */
  async open(digest: Digest, path: string): Promise<OpenBlob> {
    const kept = this.#kept.get(digest);
    if (kept) {
      kept.file.retain();
      return kept;
    }
    const before = this.#forgotten;
    const file = await Descriptor.open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const blob = { file, size: (await statOf(file.fd)).size };
      if (before !== this.#forgotten) return blob;
      file.retain();
      this.#kept.set(digest, blob);
      return blob;
    } catch (error) {
      file.release();
      throw error;
    }
  }

  /** For a blob that was deleted or replaced. */
  forget(digest: Digest): void {
    this.#forgotten++;
    this.#kept.delete(digest);
  }

  /** Whether this very blob is still what `digest` means here: it was not deleted or replaced meanwhile. */
  isCurrent(digest: Digest, blob: OpenBlob): boolean {
    return this.#kept.get(digest) === blob;
  }

  close(): void {
    this.#kept.clear();
  }
}
