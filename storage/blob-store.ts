import type { Readable, Writable } from 'node:stream';
import type { Digest } from './digest.ts';

export interface BlobStat {
  readonly digest: Digest;
  readonly size: number;
}

/** First and last byte, both inclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** A finished local file whose digest and size are known. Whoever takes it moves or deletes it. */
export interface Spooled extends BlobStat {
  readonly path: string;
}

/** Bytes that a store has begun to hand out. */
export interface BegunBlob {
  /** As `BlobStore.send`, once. */
  send(out: Writable): Promise<void>;
  /** Lets go of them when `send` is not called. */
  close(): void;
}

/** Keeps immutable bytes under their digest. Knows nothing of projects. Safe for use from many nodes at once. */
export interface BlobStore {
  /** Makes the blob durable and takes its file. Storing a digest twice is a no-op. Throws `StorageFullError`. */
  put(blob: Spooled): Promise<void>;
  /** Opens the bytes, or a part. Throws `BlobNotFoundError`. The caller ends or destroys the stream. */
  open(digest: Digest, range?: ByteRange): Promise<Readable>;
  /**
   * Writes the bytes of `range` to `out` at the pace of `out`, and does not end it. Throws `BlobNotFoundError` before
   * the first byte; a failure after it rejects too, and then the caller destroys `out`. Settles when `out` is closed early.
   */
  send(digest: Digest, range: ByteRange, out: Writable): Promise<void>;
  /**
   * Makes sure that the bytes of `range` can be had, for who has to know before the first byte: throws what `send` would throw before
   * it, `StorageUnavailableError` among them. Asks the store once for both. `size` is the whole blob's.
   */
  begin(blob: BlobStat, range: ByteRange): Promise<BegunBlob>;
  /** The blob's size, or `undefined` when it is not stored. */
  stat(digest: Digest): Promise<BlobStat | undefined>;
  /** A short-lived URL the client may fetch, or `undefined` when the bytes must go through us. */
  locate(digest: Digest, as: { readonly filename: string; readonly contentType: string }): Promise<URL | undefined>;
  /** Removes the blob. Removing what is not there succeeds. */
  delete(digest: Digest): Promise<void>;
  /** Every blob in ascending order of digest, after `after`. For garbage collection and verification. */
  list(after?: Digest): AsyncIterable<BlobStat>;
  /** Bytes that can still be stored before `limits.minFreeBytes` is reached; `Infinity` where nobody can tell. */
  spareBytes(): Promise<number>;
  /** Throws `StorageUnavailableError` when the store cannot answer. For `/readyz`. */
  check(): Promise<void>;
}
