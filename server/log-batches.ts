import { writeSync, write as writeTo } from 'node:fs';

// A busy server writes so many bytes at once, a quiet one after half a second.
const BATCH_BYTES = 64 * 1024;
const BATCH_MS = 500;
// Whoever reads our output may stand still, or its disk be full; requests are answered nevertheless.
const MOST_WAITING_BYTES = 16 * 1024 * 1024;
const RETRY_MS = 100;
// At the end somebody waits for the process.
const MOST_PAUSES_AT_EXIT = 20;

/** Where lines go. */
export interface LineSink {
  /** Takes a whole line, with its end. */
  write(line: string): void;
}

/**
 * Writes lines to a file descriptor in batches, and what is left when the process exits. Where nothing can be written, since the reader
 * stands still or the disk is full, lines that do not fit into 16 MiB are lost, which a line tells once it goes on.
 */
export function logBatches(fd: number): LineSink {
  const batches = new Batches(fd);
  // One string that grows: a buffer for each line costs as much as to make the line.
  let waiting = '';
  let timer: NodeJS.Timeout | undefined;
  const taken = (): Buffer => {
    clearTimeout(timer);
    timer = undefined;
    const batch = Buffer.from(waiting);
    waiting = '';
    return batch;
  };
  const write = (line: string): void => {
    waiting += line;
    if (waiting.length >= BATCH_BYTES) batches.add(taken());
    else timer ??= setTimeout(() => batches.add(taken()), BATCH_MS).unref();
  };
  batches.onLost = (lostBytes) =>
    write(`${JSON.stringify({ level: 40, time: new Date().toISOString(), lostBytes, msg: 'log lines were lost' })}\n`);
  process.on('exit', () => batches.end(taken()));
  return { write };
}

/** What is to be written to a descriptor, in order. */
class Batches {
  /** Told how many bytes were lost, when it goes on. */
  onLost: (bytes: number) => void = () => {};
  readonly #fd: number;
  /** The first is on its way while `#isWriting`. */
  readonly #left: Buffer[] = [];
  #leftBytes = 0;
  #lostBytes = 0;
  #isWriting = false;
  #isClosed = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  add(batch: Buffer): void {
    this.#keep(batch);
    this.#next();
  }

  /** Writes what is left, as far as that goes without a long wait. */
  end(batch: Buffer): void {
    this.#keep(batch);
    if (this.#isWriting) this.#left.shift();
    let pauses = 0;
    while (this.#left.length > 0) {
      const [first = Buffer.alloc(0)] = this.#left;
      try {
        this.#written(first, writeSync(this.#fd, first));
        pauses = 0;
      } catch (error) {
        pauses += 1;
        if (!isBusy(error) || pauses > MOST_PAUSES_AT_EXIT) return;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      }
    }
  }

  #keep(batch: Buffer): void {
    if (batch.length === 0 || this.#isClosed) return;
    if (this.#leftBytes + batch.length > MOST_WAITING_BYTES) {
      this.#lostBytes += batch.length;
      return;
    }
    this.#left.push(batch);
    this.#leftBytes += batch.length;
  }

  #next(): void {
    const [first] = this.#left;
    if (this.#isWriting || first === undefined) return;
    clearTimeout(this.#retry);
    this.#isWriting = true;
    writeTo(this.#fd, first, (error, count) => {
      this.#isWriting = false;
      if (error === null) this.#goOn(first, count);
      else this.#failed(error);
    });
  }

  #goOn(batch: Buffer, count: number): void {
    this.#written(batch, count);
    if (this.#left.length > 0) {
      this.#next();
      return;
    }
    const lost = this.#lostBytes;
    this.#lostBytes = 0;
    if (lost > 0) this.onLost(lost);
  }

  #failed(error: NodeJS.ErrnoException): void {
    // Nobody will ever read.
    if (error.code === 'EPIPE') {
      this.#isClosed = true;
      this.#left.length = 0;
      this.#leftBytes = 0;
    } else {
      this.#retry = setTimeout(() => this.#next(), RETRY_MS).unref();
    }
  }

  #written(batch: Buffer, count: number): void {
    this.#leftBytes -= count;
    if (count < batch.length) this.#left[0] = batch.subarray(count);
    else this.#left.shift();
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EAGAIN' || error.code === 'EBUSY');
}
