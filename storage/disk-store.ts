import { constants } from 'node:fs';
import { access, lstat, mkdir, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { LRUCache } from 'lru-cache';
import { BLOB_FOLDER, blobPath, checkRange } from './blob-path.ts';
import type { BegunBlob, BlobStat, BlobStore, ByteRange, Spooled } from './blob-store.ts';
import { STEP_BYTES } from './buffer-pool.ts';
import type { Digest } from './digest.ts';
import { listBlobs } from './disk-list.ts';
import { DurableFolder, incomingFolder, type OnStep, type TakesFiles } from './durable-folder.ts';
import { BlobNotFoundError, StorageUnavailableError } from './errors.ts';
import { codeOf, fileError } from './file-errors.ts';
import { freeSpace } from './free-space.ts';
import { type OpenBlob, OpenBlobs } from './open-blobs.ts';
import { sendBytes, sendWhole } from './send-bytes.ts';
import { sweepSpools } from './spool.ts';
import { spoolThread } from './spool-thread.ts';

export interface DiskStoreOptions {
  /** Bytes of the file system that are left alone. */
  readonly minFreeBytes: number;
  /** Memory for blobs of at most 256 KiB that are served often. 32 MiB when left out. */
  readonly memoryBytes?: number;
  /** Descriptors kept open. 256 when left out. */
  readonly openFiles?: number;
  /** Milliseconds since 1970. The system's clock when left out. */
  readonly nowMs?: () => number;
  /** With it files get their names in the caller's own thread. */
  readonly onStep?: OnStep;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** Blobs as files `sha256/ab/cd/<hex>` below one folder; nothing outside it is read or written. */
export class DiskStore implements BlobStore {
  readonly #root: string;
  readonly #minFreeBytes: number;
  readonly #folder: TakesFiles;
  readonly #open: OpenBlobs;
  readonly #small: LRUCache<Digest, Buffer>;

  private constructor(root: string, options: DiskStoreOptions) {
    this.#root = root;
    this.#minFreeBytes = options.minFreeBytes;
    this.#folder = options.onStep === undefined ? spoolThread.folder(root) : new DurableFolder(root, options.onStep);
    this.#open = new OpenBlobs(options.openFiles ?? 256);
    const maxSize = options.memoryBytes ?? 32 * 1024 * 1024;
    this.#small = new LRUCache({
      maxSize: Math.max(1, maxSize),
      sizeCalculation: (bytes) => Math.max(1, bytes.length),
    });
  }

  /** Makes the folder if need be, and removes what dead processes left in it. Throws `StorageUnavailableError`. */
  static async open(root: string, options: DiskStoreOptions): Promise<DiskStore> {
    const store = new DiskStore(root, options);
    try {
      await mkdir(join(root, BLOB_FOLDER), { recursive: true });
      await sweepSpools(incomingFolder(root), (options.nowMs ?? Date.now)() - DAY_MS);
    } catch (error) {
      throw fileError(`opening ${root}`, error);
    }
    return store;
  }

  async put(blob: Spooled): Promise<void> {
    try {
      await this.#folder.take({ from: blob.path, path: blobPath(blob.digest), size: blob.size });
    } catch (error) {
      throw fileError(`storing ${blob.digest}`, error);
    }
    this.#forget(blob.digest);
  }

  async open(digest: Digest, range?: ByteRange): Promise<Readable> {
    const file = await open(this.#path(digest), constants.O_RDONLY | constants.O_NOFOLLOW).catch(this.#missing(digest));
    try {
      if (range) checkRange(range, (await file.stat()).size);
    } catch (error) {
      await file.close();
      throw error;
    }
    if (range && range.end < range.start) {
      await file.close();
      return Readable.from([]);
    }
    return file.createReadStream({ highWaterMark: STEP_BYTES, ...range });
  }

  async send(digest: Digest, range: ByteRange, out: Writable): Promise<void> {
    const begun = await this.begin({ digest }, range);
    await begun.send(out);
  }

  /** What has begun is sent, though the blob is deleted before. */
  async begin({ digest }: Pick<BlobStat, 'digest'>, range: ByteRange): Promise<BegunBlob> {
    const known = this.#small.get(digest);
    if (known) return inMemory(known, range);
    const blob = await this.#open.open(digest, this.#path(digest)).catch(this.#missing(digest));
    try {
      if (blob.size <= STEP_BYTES) return inMemory(await this.#remember(digest, blob), range);
      checkRange(range, blob.size);
      blob.file.retain();
      return fromFile(digest, blob, range);
    } finally {
      blob.file.release();
    }
  }

  /** A small blob's bytes, remembered from now on. */
  async #remember(digest: Digest, blob: OpenBlob): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(blob.size);
    const count = await blob.file.read(bytes, blob.size, 0);
    if (count !== blob.size) throw shortened(digest);
    if (this.#open.isCurrent(digest, blob)) this.#small.set(digest, bytes);
    return bytes;
  }

  async stat(digest: Digest): Promise<BlobStat | undefined> {
    try {
      return { digest, size: (await lstat(this.#path(digest)).catch(this.#missing(digest))).size };
    } catch (error) {
      if (error instanceof BlobNotFoundError) return undefined;
      throw error;
    }
  }

  async locate(): Promise<undefined> {
    return undefined;
  }

  async delete(digest: Digest): Promise<void> {
    const path = this.#path(digest);
    try {
      await unlink(path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw fileError(`deleting ${digest}`, error);
    }
    this.#forget(digest);
  }

  #forget(digest: Digest): void {
    this.#open.forget(digest);
    this.#small.delete(digest);
  }

  async *list(after?: Digest): AsyncGenerator<BlobStat> {
    try {
      yield* listBlobs(this.#root, after);
    } catch (error) {
      throw fileError('listing blobs', error);
    }
  }

  async spareBytes(): Promise<number> {
    return await freeSpace(join(this.#root, BLOB_FOLDER), this.#minFreeBytes);
  }

  async check(): Promise<void> {
    try {
      await access(join(this.#root, BLOB_FOLDER), constants.R_OK | constants.W_OK);
    } catch (error) {
      throw fileError(`looking at ${this.#root}`, error);
    }
  }

  /** Closes the descriptors that are kept. What is under way is not disturbed. */
  async close(): Promise<void> {
    this.#open.close();
    this.#small.clear();
  }

  #path(digest: Digest): string {
    return join(this.#root, blobPath(digest));
  }

  /** What a failure to find a blob means: a store that has lost its whole folder has no say on what is missing. */
  #missing(digest: Digest): (error: unknown) => Promise<never> {
    return async (error) => {
      if (codeOf(error) !== 'ENOENT') throw fileError(`reading ${digest}`, error);
      await this.check();
      throw new BlobNotFoundError(digest, { cause: error });
    };
  }
}

function inMemory(bytes: Buffer, range: ByteRange): BegunBlob {
  checkRange(range, bytes.length);
  return { send: (out) => sendWhole(bytes.subarray(range.start, range.end + 1), out), close: () => {} };
}

/** The bytes of a file that is held until they are sent. */
function fromFile(digest: Digest, blob: OpenBlob, range: ByteRange): BegunBlob {
  const release = (): void => blob.file.release();
  const send = async (out: Writable): Promise<void> => {
    try {
      const { sent, closed } = await sendBytes(fixed(blob), range, out);
      if (!closed && sent !== range.end + 1 - range.start) throw shortened(digest);
    } finally {
      release();
    }
  };
  return { send, close: release };
}

function fixed({ file, size }: OpenBlob): {
  available: (position: number) => number;
  read: (buffer: Buffer, length: number, position: number) => Promise<number>;
} {
  return {
    available: (position) => size - position,
    read: (buffer, length, position) => file.read(buffer, length, position),
  };
}

function shortened(digest: Digest): StorageUnavailableError {
  return new StorageUnavailableError(`the file of ${digest} became shorter while it was read`);
}
