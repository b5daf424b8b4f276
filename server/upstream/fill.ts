import type { Writable } from 'node:stream';
import type { ByteRange, Spooled } from '../../storage/blob-store.ts';
import type { FileBytes } from '../../storage/descriptor.ts';
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
import { inBatches } from './batches.ts';
import { continuous } from './continuous.ts';
import { type GrowingFile, Reader } from './growing-file.ts';
import { hasHash } from './other-hash.ts';
import { type Expected, isGone, mismatch } from './pass-through.ts';
import { Straight } from './straight.ts';
import type { Download, DownloadTarget, Upstream } from './upstream.ts';

/** What is to be fetched, and who takes it. */
export interface FetchRequest {
  readonly upstream: Upstream;
  readonly target: DownloadTarget;
  readonly expected?: Expected;
  /** Stores the verified file, which it takes, and writes its rows. `bytes`: the same, open. Absent: it is stored already. */
  readonly whenStored?: (spooled: Spooled, bytes: FileBytes) => Promise<void>;
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
  readonly #come = Promise.withResolvers<void>();
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
  readonly #straight: Straight;

  constructor(request: FetchRequest, parts: FillParts) {
    this.#request = request;
    this.#parts = parts;
    const { upstream, target, expected = {} } = request;
    const { clock, signal } = parts;
    this.#straight = new Straight({ upstream, target, expected, clock, signal });
    for (const { promise } of [this.#begun, this.#verified, this.#stored]) {
      promise.catch(() => {}); // whoever waits is told
    }
  }

  /** Nobody gets the file from this one any more. */
  get hasFailed(): boolean {
    return this.#phase === 'failed';
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
      const hasCome = this.#come.promise;
      if (this.#phase === 'passing') {
        const { body } = await this.#takeDownload();
        const release = (): void => {
          body.destroy();
          this.#leave();
        };
        const first = { ...this.#download, offset: 0, body };
        return new Reader({
          clock,
          size,
          hasCome,
          done,
          release,
          send: (range, out) => this.#straight.whole(first, range, out),
        });
      }
      const send = (range: ByteRange | undefined, out: Writable): Promise<void> => this.#follow(range, out);
      return new Reader({ clock, size, hasCome, done, send, release: () => this.#leave() });
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
      this.#come.resolve();
      this.#tidy();
    }
  }

  async #run(): Promise<void> {
    const { upstream, target, expected = {} } = this.#request;
    const { signal, clock, maxBytes, hasRoom } = this.#parts;
    const download = await upstream.download(target, { signal });
    this.#download = download;
    const { size } = download;
    if (size !== undefined && size > maxBytes) throw tooLarge(target.filename, maxBytes, download);
    if (expected.sha256 === undefined && expected.size !== undefined && size !== undefined && size !== expected.size) {
      download.body.destroy();
      throw mismatch(target.filename);
    }
    const spool = (await hasRoom(size)) ? await this.#createSpool(size) : undefined;
    if (!(spool instanceof Spool)) {
      this.#unread = download;
      this.#become('passing');
      this.#begun.resolve();
      const why =
        spool instanceof StorageUnavailableError ? 'a file cannot be stored' : 'there is no room to store a file';
      this.#notStored(`${why}; it is passed on without being kept`, spool);
      return;
    }
    this.#spool = spool;
    this.#letGo = spool.hold();
    this.#become('writing');
    this.#begun.resolve();
    const bytes = continuous({ upstream, target, signal, clock }, download, 0);
    if (!(await inBatches(bytes, (batch) => this.#write(spool, batch)))) return;
    await this.#finish(spool);
  }

  async #createSpool(expectedBytes: number | undefined): Promise<Spool | StorageFailure> {
    const { spoolDir, maxBytes } = this.#parts;
    try {
      return await Spool.create(spoolDir, { maxBytes, expectedBytes });
    } catch (error) {
      if (isStorageFailure(error)) return error;
      throw error;
    }
  }

  /** `false`: it could not be written, and the readers go on without us. */
  async #write(spool: Spool, batch: Buffer): Promise<boolean> {
    try {
      await spool.write(batch);
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
    this.#come.resolve();
    const spooled = await spool.finish(expected.sha256 ?? target.sha256);
    if (expected.sha256 === undefined && expected.otherHash !== undefined) {
      if (!(await hasHash(spooled.path, expected.otherHash))) throw mismatch(target.filename);
    }
    this.#verified.resolve(spooled.digest);
    let isTaken = false;
    try {
      await whenStored?.(spooled, spool.bytes());
      isTaken = whenStored !== undefined;
      this.#stored.resolve(spooled.digest);
    } catch (error) {
      // Readers have their bytes all the same.
      this.#notStored('a file could not be stored', error);
    }
    if (!isTaken) await spool.discard();
  }

  async #fail(error: unknown): Promise<void> {
    const { upstream, target } = this.#request;
    if (error instanceof DigestMismatchError) upstream.distrust(target);
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
    this.#stored.reject(error instanceof Problem ? error : notStored(target.filename, error));
  }

  async #follow(range: ByteRange | undefined, out: Writable): Promise<void> {
    try {
      await this.#sendSpooled(range, out);
    } catch (error) {
      throw this.#failure ?? this.#translated(error);
    }
  }

  /** Sends from the spool what may be seen; what is last in `range` waits until the file is verified. */
  async #sendSpooled(range: ByteRange | undefined, out: Writable): Promise<void> {
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
        return await this.#straight.rest({ spool, validator: this.#download?.validator }, { at, range, out });
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

  async #takeDownload(): Promise<Download> {
    const unread = this.#unread;
    this.#unread = undefined;
    if (unread) return unread;
    const { upstream, target } = this.#request;
    return await upstream.download(target, { signal: this.#parts.signal });
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

/** Why a file that readers had is not kept. */
function notStored(filename: string, cause: unknown): Problem {
  const options = { retryAfter: 60, ...(cause === undefined ? {} : { cause }) };
  if (cause === undefined || cause instanceof StorageFullError)
    return new Problem('storage-full', `There is no room left to store ${filename}.`, options);
  if (cause instanceof StorageUnavailableError)
    return new Problem('storage-unavailable', `The storage does not answer: ${filename} could not be stored.`, options);
  return new Problem('storage-full', `${filename} could not be stored.`, options);
}

type StorageFailure = StorageFullError | StorageUnavailableError;

function isStorageFailure(error: unknown): error is StorageFailure {
  return error instanceof StorageFullError || error instanceof StorageUnavailableError;
}
