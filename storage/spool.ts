import { constants } from 'node:fs';
import { mkdir, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { allSettled } from './all-settled.ts';
import type { Spooled } from './blob-store.ts';
import { Descriptor, type FileBytes } from './descriptor.ts';
import type { Digest } from './digest.ts';
import { EarlySync } from './early-sync.ts';
import { DigestMismatchError, SpoolGoneError, SpoolLimitError } from './errors.ts';
import { codeOf, fileError } from './file-errors.ts';
import { removeSpool } from './remove-spool.ts';
import { type ByteSource, type OpenRange, readBytes, type Sent, sendBytes } from './send-bytes.ts';
import { type ExtraHash, SpoolHashes } from './spool-hashes.ts';
import type { FileHashes } from './spool-orders.ts';
import { SPOOL_SUFFIX, spoolPath } from './spool-path.ts';
import { SpoolWriter } from './spool-writer.ts';

export interface SpoolOptions {
  readonly maxBytes: number;
  /** Further hashes to compute while writing; none cost anything when left out. */
  readonly extraHash?: readonly ExtraHash[];
  /** How many bytes will probably come; it may turn out otherwise. */
  readonly expectedBytes?: number | undefined;
}

/**
 * A local file in the making. One writer appends; any number of readers follow, each at its own speed, and neither side waits for
 * the other. Followers get everything but the last byte as it comes, and that one once the digest is known to be right: so
 * a reply with a length never looks complete before its bytes are verified.
 */
export class Spool {
  readonly path: string;
  readonly #file: Descriptor;
  readonly #writer: SpoolWriter;
  readonly #early: EarlySync;
  readonly #maxBytes: number;
  #size = 0;
  #state: 'writing' | 'finished' | 'discarded' = 'writing';
  #failure: Error | undefined;
  #extra: Partial<Record<ExtraHash, string>> = {};
  /** Bytes of which writing has begun. */
  #begunBytes = 0;
  #lastBegin: Promise<unknown> = Promise.resolve();
  #lastWrite: Promise<void> = Promise.resolve();
  #growth = Promise.withResolvers<void>();

  private constructor(path: string, file: Descriptor, writer: SpoolWriter, maxBytes: number) {
    this.path = path;
    this.#file = file;
    this.#writer = writer;
    this.#early = new EarlySync(file);
    this.#maxBytes = maxBytes;
  }

  /** Makes the folder if need be. Throws `StorageFullError`, `StorageUnavailableError`. */
  static async create(dir: string, options: SpoolOptions): Promise<Spool> {
    const { extraHash = [], expectedBytes = 0, maxBytes } = options;
    const hashes = await SpoolHashes.create(extraHash);
    const path = spoolPath(dir);
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
    try {
      const file = await Descriptor.open(path, flags).catch(async (error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error;
        await mkdir(dir, { recursive: true });
        return await Descriptor.open(path, flags);
      });
      return new Spool(path, file, new SpoolWriter(file, hashes, { extra: extraHash, expectedBytes }), maxBytes);
    } catch (error) {
      throw fileError('creating a spool', error);
    }
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#size;
  }

  /** The hashes asked for as `extraHash`, lower-case hex; empty before `finish`. */
  get hashes(): Readonly<Partial<Record<ExtraHash, string>>> {
    return this.#extra;
  }

  /**
   * Appends; calls are kept in order, and `chunk` must stay as it is until the promise settles. Throws `SpoolLimitError`,
   * `StorageFullError`, `StorageUnavailableError`, or why the spool was discarded; then nothing but `discard` is left to do.
   */
  write(chunk: Uint8Array): Promise<void> {
    const begun = this.#lastBegin.then(() => this.#begin(chunk));
    this.#lastBegin = begun;
    const written = this.#written(chunk, begun, this.#lastWrite);
    this.#lastWrite = written;
    begun.catch(() => {}); // so does `written`
    written.catch(() => {}); // whoever wrote is told, and so is `finish`
    return written;
  }

  async #begin(chunk: Uint8Array): Promise<{ readonly written: Promise<void> }> {
    if (this.#state !== 'writing') throw this.#failure ?? new SpoolGoneError('the spool is finished');
    if (this.#begunBytes + chunk.length > this.#maxBytes) throw new SpoolLimitError(this.#maxBytes);
    const position = this.#begunBytes;
    this.#begunBytes += chunk.length;
    if (chunk.length === 0) return { written: Promise.resolve() };
    return await this.#writer.begin(chunk, position).catch(writingFailed);
  }

  /** Ends after what was written before, so that what can be seen has no gap. */
  async #written(
    chunk: Uint8Array,
    begun: Promise<{ readonly written: Promise<void> }>,
    before: Promise<void>,
  ): Promise<void> {
    await allSettled([before, begun.then(({ written }) => written.catch(writingFailed))]);
    this.#size += chunk.length;
    this.#early.grown(this.#size);
    this.#wake();
  }

  /**
   * Checks the digest, lets followers come to their end, and makes the file durable. Throws `DigestMismatchError`, or what a write
   * threw, and then the spool is discarded. A reader that comes later needs `hold`.
   */
  async finish(expected?: Digest): Promise<Spooled> {
    if (this.#state === 'finished') throw new SpoolGoneError('the spool is finished');
    try {
      await this.#lastWrite;
      this.#refuseDiscarded();
      const { digest, extra } = await this.#hashed();
      this.#refuseDiscarded();
      if (expected !== undefined && digest !== expected) throw new DigestMismatchError(expected, digest);
      this.#extra = extra;
      this.#state = 'finished';
      this.#wake();
      await this.#sync();
      return { digest, size: this.#size, path: this.path };
    } catch (error) {
      await this.discard(error instanceof Error ? error : undefined);
      throw error;
    }
  }

  #refuseDiscarded(): void {
    if (this.#state === 'discarded') throw this.#failure;
  }

  async #hashed(): Promise<FileHashes> {
    try {
      return await this.#writer.finish();
    } catch (error) {
      throw fileError('hashing a spool', error);
    }
  }

  async #sync(): Promise<void> {
    try {
      await this.#early.settled();
      await this.#file.sync();
    } catch (error) {
      throw fileError('syncing a spool', error);
    } finally {
      this.#file.release();
    }
  }

  /**
   * Removes the file if it is still there. Before `finish`, followers fail with `reason`; after it they go on, since their bytes
   * are verified and the descriptor is theirs. May be called at any time, more than once.
   */
  async discard(reason?: Error): Promise<void> {
    if (this.#state === 'writing') {
      this.#state = 'discarded';
      this.#failure = reason ?? new SpoolGoneError('the spool was discarded');
      this.#wake();
      await this.#lastWrite.catch(() => {});
      this.#writer.abandon();
      this.#file.release();
    }
    await removeSpool(this.path);
  }

  /**
   * Keeps the descriptor open beyond `finish`, so that readers may still come although the file is moved or removed. Whoever lets
   * readers in holds; the returned function, to be called once, lets go. Throws `SpoolGoneError` when it is too late.
   */
  hold(): () => void {
    this.#file.retain();
    let held = true;
    return () => {
      if (held) this.#file.release();
      held = false;
    };
  }

  /** What is written by now, for who holds. */
  bytes(): FileBytes {
    return { size: this.#size, read: (buffer, length, position) => this.#file.read(buffer, length, position) };
  }

  /**
   * Writes the bytes of `range`, all without one, to `out` at its pace, waiting for growth. Resolves at the end of the range or of
   * the finished file, or when `out` is closed early; does not end `out`. Rejects when the spool is discarded.
   */
  async send(range: OpenRange | undefined, out: Writable): Promise<Sent> {
    const letGo = this.hold();
    try {
      return await sendBytes(this.#source, range ?? { start: 0 }, out);
    } finally {
      letGo();
    }
  }

  /** The same bytes as a stream; the caller reads it to its end or destroys it. Throws `SpoolGoneError` like `hold`. */
  follow(range?: OpenRange): Readable {
    return readBytes(this.#source, range ?? { start: 0 }, this.hold());
  }

  readonly #source: ByteSource = {
    available: (position) => this.#available(position),
    read: (buffer, length, position) => this.#file.read(buffer, length, position),
  };

  async #available(position: number): Promise<number> {
    for (;;) {
      if (this.#state === 'discarded') throw this.#failure;
      const visible = this.#state === 'finished' ? this.#size : this.#size - 1;
      if (position < visible) return visible - position;
      if (this.#state === 'finished') return 0;
      await this.#growth.promise;
    }
  }

  #wake(): void {
    this.#growth.resolve();
    this.#growth = Promise.withResolvers();
  }
}

/**
 * Removes what earlier processes left in a spool folder. Call it before the first spool is made.
 * `writtenBefore` (milliseconds since 1970) spares files that a living process may still write. Returns how many went.
 */
export async function sweepSpools(dir: string, writtenBefore: number = Number.POSITIVE_INFINITY): Promise<number> {
  let removed = 0;
  for (const name of await readdir(dir).catch(absent([]))) {
    const path = join(dir, name);
    const written = name.endsWith(SPOOL_SUFFIX) ? await stat(path).catch(absent(undefined)) : undefined;
    if (!written || written.mtimeMs >= writtenBefore) continue;
    await unlink(path).catch(absent(undefined));
    removed++;
  }
  return removed;
}

function writingFailed(error: unknown): never {
  throw fileError('writing a spool', error);
}

function absent<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (codeOf(error) === 'ENOENT') return instead;
    throw fileError('sweeping spools', error);
  };
}
