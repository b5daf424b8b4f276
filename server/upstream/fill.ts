import { createHash, type Hash } from 'node:crypto';
import { Writable } from 'node:stream';
import type { ByteRange, Spooled } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import {
  DigestMismatchError,
  SpoolLimitError,
  StorageFullError,
  StorageUnavailableError,
} from '../../storage/errors.ts';
import { Spool } from '../../storage/spool.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { Problem } from '../problem.ts';
import { continuous } from './continuous.ts';
import { type GrowingFile, Reader } from './growing-file.ts';
import { type Expected, isGone, mismatch, passThrough } from './pass-through.ts';
import type { Download, DownloadTarget, Upstream } from './upstream.ts';

/** What is to be fetched, and who takes it. */
export interface FetchRequest {
  readonly upstream: Upstream;
  readonly target: DownloadTarget;
  readonly expected?: Expected;
  /** Stores the verified file and writes its rows. What it does not take is removed. */
  readonly whenStored: (spooled: Spooled) => Promise<void>;
}

export interface FillParts {
  readonly spoolDir: string;
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Waits for a turn; the returned function ends it. Throws a `Problem`. */
  readonly place: () => Promise<() => void>;
  /** Is there room for so many more bytes? `undefined`: nobody has told how many. */
  readonly hasRoom: (size: number | undefined) => Promise<boolean>;
  readonly onNotStored: () => void;
}

// How long the last bytes wait for the store.
const STORING_MS = 5_000;

/** `cut`: the disk is full, the spool stays as it is; `passing`: there was no room to begin with. */
type Phase = 'begun' | 'writing' | 'written' | 'cut' | 'passing' | 'failed';

/**
 * One file on its way into the store: a writer that nobody slows down or stops, and readers that follow it. Where there is no room, readers
 * get the bytes straight from upstream, each for itself; where the disk fills in the middle, they read what was written and then the rest
 * from upstream, and nothing is stored.
 */
export class Fill {
  readonly #request: FetchRequest;
  readonly #parts: FillParts;
  readonly #begun = Promise.withResolvers<void>();
  readonly #verified = Promise.withResolvers<Digest>();
  readonly #stored = Promise.withResolvers<Digest>();
  #phase: Phase = 'begun';
  #growth = Promise.withResolvers<void>();
  #failure: unknown;
  /** Of the first answer; its body is used up by the writer, or by the first reader when there is no room. */
  #download: Download | undefined;
  #unread: Download | undefined;
  #spool: Spool | undefined;
  #letGo: () => void = () => {};
  #readers = 0;
  #isSettled = false;
  #prefix: Promise<Hash> | undefined;

  constructor(request: FetchRequest, parts: FillParts) {
    this.#request = request;
    this.#parts = parts;
    for (const { promise } of [this.#begun, this.#verified, this.#stored]) {
      promise.catch(() => {}); // whoever waits is told
    }
  }

  /** Bytes of room that the rest of this file needs. */
  get reserved(): number {
    return this.#phase === 'writing' ? Math.max(0, (this.#download?.size ?? 0) - (this.#spool?.size ?? 0)) : 0;
  }

  /** One more reader, once the upstream's head is known. Throws the `Problem` that kept it from coming. */
  async open(): Promise<GrowingFile> {
    this.#readers += 1;
    try {
      await this.#begun.promise;
      const { clock } = this.#parts;
      const size = this.#download?.size;
      const done = this.#stored.promise;
      if (this.#phase === 'passing') {
        const { body } = await this.#takeDownload();
        const release = (): void => {
          body.destroy();
          this.#leave();
        };
        const first = { ...this.#download, offset: 0, body };
        return new Reader({ clock, size, done, release, send: (range, out) => this.#pass(first, range, out) });
      }
      const send = (range: ByteRange | undefined, out: Writable): Promise<void> => this.#follow(range, out);
      return new Reader({ clock, size, done, send, release: () => this.#leave() });
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  /** Fetches, verifies and stores. Never rejects: readers and `done` are told. */
  async run(): Promise<void> {
    try {
      const leave = await this.#parts.place();
      await this.#run().finally(leave);
    } catch (error) {
      await this.#fail(error);
    } finally {
      this.#isSettled = true;
      this.#tidy();
    }
  }

  async #run(): Promise<void> {
    const { upstream, target, expected = {} } = this.#request;
    const { signal, clock, maxBytes, hasRoom } = this.#parts;
    const download = await upstream.download(target, { signal });
    this.#download = download;
    const { size } = download;
    download.body.on('error', () => {}); // told to whoever reads it, but nobody may be yet
    if (size !== undefined && size > maxBytes) throw tooLarge(target.filename, maxBytes, download);
    if (expected.sha256 === undefined && expected.size !== undefined && size !== undefined && size !== expected.size) {
      download.body.destroy();
      throw mismatch(target.filename);
    }
    const spool = (await hasRoom(size)) ? await this.#createSpool() : undefined;
    if (!spool) {
      this.#unread = download;
      this.#become('passing');
      this.#begun.resolve();
      this.#notStored('there is no room to store a file; it is passed on without being kept');
      return;
    }
    this.#spool = spool;
    this.#letGo = spool.hold();
    this.#become('writing');
    this.#begun.resolve();
    for await (const chunk of continuous({ upstream, target, signal, clock }, download, 0)) {
      if (!(await this.#write(spool, chunk))) return;
    }
    await this.#finish(spool);
  }

  async #createSpool(): Promise<Spool | undefined> {
    const { spoolDir, maxBytes } = this.#parts;
    try {
      return await Spool.create(spoolDir, { maxBytes });
    } catch (error) {
      if (isStorageFailure(error)) return undefined;
      throw error;
    }
  }

  /** `false`: it could not be written, and the readers go on without us. */
  async #write(spool: Spool, chunk: Buffer): Promise<boolean> {
    try {
      await spool.write(chunk);
      this.#grow();
      return true;
    } catch (error) {
      if (!isStorageFailure(error)) throw error;
      this.#become('cut');
      this.#notStored('a file could not be written to the end; it is passed on without being kept', error);
      return false;
    }
  }

  async #finish(spool: Spool): Promise<void> {
    const { target, expected = {}, whenStored } = this.#request;
    if (expected.sha256 === undefined && expected.size !== undefined && spool.size !== expected.size) {
      throw mismatch(target.filename);
    }
    this.#become('written');
    const spooled = await spool.finish(expected.sha256 ?? target.sha256);
    this.#verified.resolve(spooled.digest);
    try {
      await whenStored(spooled);
      this.#stored.resolve(spooled.digest);
    } catch (error) {
      // Readers have their bytes all the same.
      this.#notStored('a file could not be stored', error);
    }
    await spool.discard();
  }

  async #fail(error: unknown): Promise<void> {
    const { target } = this.#request;
    const failure = this.#translated(error);
    this.#failure = failure;
    if (this.#phase !== 'begun') {
      this.#parts.log.warn({ file: target.filename, err: error }, 'a file did not come whole and right from upstream');
    }
    this.#become('failed');
    this.#begun.reject(failure);
    this.#verified.reject(failure);
    this.#stored.reject(failure);
    try {
      await this.#spool?.discard(failure instanceof Error ? failure : undefined);
    } catch (discardError) {
      this.#parts.log.warn({ err: discardError }, 'a spool could not be removed');
    }
  }

  #translated(error: unknown): unknown {
    const { target } = this.#request;
    if (this.#parts.signal.aborted) return new Problem('stopping', 'The server is stopping.', { cause: error });
    if (error instanceof DigestMismatchError) return mismatch(target.filename);
    if (error instanceof SpoolLimitError) return tooLarge(target.filename, error.maxBytes);
    return error;
  }

  #notStored(message: string, error?: unknown): void {
    const { log, onNotStored } = this.#parts;
    const { upstream, target } = this.#request;
    log.warn({ upstream: upstream.name, file: target.filename, err: error }, message);
    onNotStored();
    this.#stored.reject(
      error instanceof Problem
        ? error
        : new Problem('storage-full', `${target.filename} could not be stored.`, { cause: error, retryAfter: 60 }),
    );
  }

  /** Sends from the spool what may be seen; what is last in `range` waits until the file is verified. */
  async #follow(range: ByteRange | undefined, out: Writable): Promise<void> {
    const spool = this.#spool;
    if (!spool) throw new Problem('internal', 'A file is followed before it has begun.');
    let at = range?.start ?? 0;
    while (this.#phase !== 'written') {
      if (isGone(out)) return;
      if (this.#phase === 'failed') throw this.#failure;
      const grown = this.#growth.promise;
      const visible = Math.min(spool.size - 1, range?.end ?? Number.POSITIVE_INFINITY);
      if (at < visible) {
        await spool.send({ start: at, end: visible - 1 }, out);
        at = visible;
      } else if (this.#phase === 'cut') {
        return await this.#goOn(spool, { at, range, out });
      } else {
        await grown;
      }
    }
    await this.#verified.promise;
    // Whoever has a file whole may count on it: it is there after a crash, and the next request is a hit.
    if (!range || range.end >= spool.size - 1) await this.#storedOrNot();
    try {
      if (!isGone(out)) await spool.send(range ? { start: at, end: range.end } : { start: at }, out);
    } catch (error) {
      throw this.#failure ?? this.#translated(error);
    }
  }

  /** Resolves once it is decided whether the file is kept, or when that takes too long to let a client wait for it. */
  async #storedOrNot(): Promise<void> {
    const patience = new AbortController();
    const decided = this.#stored.promise.then(
      () => {},
      () => {},
    );
    const tooLong = this.#parts.clock.sleep(STORING_MS, patience.signal).catch(() => {});
    await Promise.race([decided, tooLong]);
    patience.abort();
  }

  /** The disk is full: the rest comes from upstream once more, for this reader alone. */
  async #goOn(spool: Spool, reader: { at: number; range: ByteRange | undefined; out: Writable }): Promise<void> {
    const { at, range, out } = reader;
    const { upstream, target } = this.#request;
    // The spool shows all but the last byte that it has.
    const from = Math.max(0, spool.size - 1);
    this.#prefix ??= hashOf(spool, from);
    const prefix = await this.#prefix;
    const { validator } = this.#download ?? {};
    await whileThere(out, this.#parts.signal, async (signal) => {
      const resume = { signal, offset: from, ...(validator === undefined ? {} : { validator }) };
      const download = await upstream.download(target, resume);
      await this.#passOn(download, { from, hash: prefix.copy(), range, out, signal });
      if (range && range.end < from && !isGone(out)) await spool.send({ start: at, end: range.end }, out);
    });
  }

  /** There is no room: all of it comes from upstream, for this reader alone. */
  async #pass(download: Download, range: ByteRange | undefined, out: Writable): Promise<void> {
    await whileThere(out, this.#parts.signal, (signal) =>
      this.#passOn(download, { from: 0, hash: createHash('sha256'), range, out, signal }),
    );
  }

  async #passOn(
    download: Download,
    reader: { from: number; hash: Hash; range: ByteRange | undefined; out: Writable; signal: AbortSignal },
  ): Promise<void> {
    const { upstream, target, expected = {} } = this.#request;
    const { clock } = this.#parts;
    const { from, hash, range, out, signal } = reader;
    const { filename } = target;
    const sha256 = expected.sha256 ?? target.sha256;
    const right: Expected = { ...expected, ...(sha256 === undefined ? {} : { sha256 }) };
    const bytes = continuous({ upstream, target, signal, clock }, download, from);
    // A reader that leaves need not wait for one more chunk.
    signal.addEventListener('abort', () => download.body.destroy(), { once: true });
    await passThrough({ bytes, from, hash, expected: right, range, out, filename });
  }

  async #takeDownload(): Promise<Download> {
    const unread = this.#unread;
    this.#unread = undefined;
    if (unread) return unread;
    const { upstream, target } = this.#request;
    const download = await upstream.download(target, { signal: this.#parts.signal });
    download.body.on('error', () => {}); // as above
    return download;
  }

  #become(phase: Phase): void {
    this.#phase = phase;
    this.#grow();
  }

  #grow(): void {
    this.#growth.resolve();
    this.#growth = Promise.withResolvers();
  }

  #leave(): void {
    this.#readers -= 1;
    this.#tidy();
  }

  /** When the writer is done and the last reader has left, the spool goes. */
  #tidy(): void {
    if (!this.#isSettled || this.#readers > 0) return;
    this.#unread?.body.destroy();
    this.#letGo();
    this.#letGo = () => {};
    if (this.#phase !== 'cut') return;
    this.#phase = 'failed';
    this.#spool?.discard().catch((error: unknown) => {
      this.#parts.log.warn({ err: error }, 'a spool could not be removed');
    });
  }
}

function tooLarge(filename: string, maxBytes: number, download?: Download): Problem {
  download?.body.destroy();
  return new Problem('upstream-unavailable', `${filename} is larger than ${maxBytes} bytes, which is the limit here.`, {
    retryAfter: 3600,
  });
}

function isStorageFailure(error: unknown): boolean {
  return error instanceof StorageFullError || error instanceof StorageUnavailableError;
}

/** Runs `work` with a signal that aborts when `out` is closed; that it then breaks off is no failure. */
async function whileThere(
  out: Writable,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const left = new AbortController();
  const leave = (): void => left.abort();
  out.once('close', leave);
  if (isGone(out)) leave();
  try {
    await work(AbortSignal.any([outer, left.signal]));
  } catch (error) {
    if (!left.signal.aborted) throw error;
  } finally {
    out.off('close', leave);
  }
}

async function hashOf(spool: Spool, length: number): Promise<Hash> {
  const hash = createHash('sha256');
  const sink = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      hash.update(chunk);
      callback();
    },
  });
  if (length > 0) await spool.send({ start: 0, end: length - 1 }, sink);
  return hash;
}
