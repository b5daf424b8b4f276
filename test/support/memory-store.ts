import { readFile, unlink } from 'node:fs/promises';
import { Readable, type Writable } from 'node:stream';
import { checkRange } from '../../storage/blob-path.ts';
import type { BegunBlob, BlobStat, ByteRange, Spooled } from '../../storage/blob-store.ts';
import type { RemoteStore } from '../../storage/cached-store.ts';
import type { Digest } from '../../storage/digest.ts';
import { BlobNotFoundError, StorageUnavailableError } from '../../storage/errors.ts';
import { sendWhole } from '../../storage/send-bytes.ts';

/** A blob store in memory that keeps the contract, for tests of what stands on top of one; it can stand for a remote one too. */
export class MemoryStore implements RemoteStore {
  readonly #blobs = new Map<Digest, Buffer>();

  get size(): number {
    return this.#blobs.size;
  }

  async put(blob: Spooled): Promise<void> {
    await this.upload(blob);
    await unlink(blob.path);
  }

  async upload(blob: Spooled): Promise<void> {
    const bytes = await readFile(blob.path).catch((error: unknown) => {
      throw new StorageUnavailableError('no such spool', { cause: error });
    });
    if (bytes.length !== blob.size) throw new StorageUnavailableError(`${bytes.length} bytes instead of ${blob.size}`);
    this.#blobs.set(blob.digest, bytes);
  }

  async open(digest: Digest, range?: ByteRange): Promise<Readable> {
    return Readable.from([this.#part(digest, range)], { objectMode: false });
  }

  async send(digest: Digest, range: ByteRange, out: Writable): Promise<void> {
    await sendWhole(this.#part(digest, range), out);
  }

  async begin({ digest }: BlobStat, range: ByteRange): Promise<BegunBlob> {
    const bytes = this.#part(digest, range);
    return { send: (out) => sendWhole(bytes, out), close: () => {} };
  }

  async stat(digest: Digest): Promise<BlobStat | undefined> {
    const bytes = this.#blobs.get(digest);
    return bytes && { digest, size: bytes.length };
  }

  async locate(): Promise<undefined> {
    return undefined;
  }

  async delete(digest: Digest): Promise<void> {
    this.#blobs.delete(digest);
  }

  async *list(after?: Digest): AsyncGenerator<BlobStat> {
    for (const digest of [...this.#blobs.keys()].sort()) {
      const bytes = this.#blobs.get(digest);
      if (bytes && (after === undefined || digest > after)) yield { digest, size: bytes.length };
    }
  }

  async spareBytes(): Promise<number> {
    return Number.POSITIVE_INFINITY;
  }

  async check(): Promise<void> {}

  async close(): Promise<void> {}

  #part(digest: Digest, range?: ByteRange): Buffer {
    const bytes = this.#blobs.get(digest);
    if (!bytes) throw new BlobNotFoundError(digest);
    if (!range) return bytes;
    checkRange(range, bytes.length);
    return bytes.subarray(range.start, range.end + 1);
  }
}
