import { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { Readable, type Writable } from 'node:stream';
import { giveStep, loseStep, STEP_BYTES, takeStep } from './buffer-pool.ts';

/** Bytes at positions, perhaps still growing. */
export interface ByteSource {
  /** How many bytes can be read from `position` on. Waits until there are some; 0 means that the source ends here. */
  available(position: number): number | Promise<number>;
  /** Reads up to `length` bytes at `position` to the start of `buffer`. */
  read(buffer: Buffer, length: number, position: number): Promise<number>;
}

/** First byte and last byte, inclusive; without `end`, up to where the source ends. */
export interface OpenRange {
  readonly start: number;
  readonly end?: number;
}

/** What became of `sendBytes`: `sent` bytes were taken by `out`; `closed` when it went away before the end. */
export interface Sent {
  readonly sent: number;
  readonly closed: boolean;
}

/**
 * Writes the bytes of `range` to `out` at the pace of `out`, one read under way while the last step drains, and does not end
 * it. Rejects with the source's failure, and with `out`'s unless it is a connection: a client that leaves is no failure.
 */
export async function sendBytes(source: ByteSource, range: OpenRange, out: Writable): Promise<Sent> {
  const sink = new Sink(out);
  let position = range.start;
  const fetch = async (at: number): Promise<Step | undefined> => {
    // A range that ends where a growing source does must not wait for it to grow.
    const limit = limitOf(range, at);
    if (limit <= 0) return undefined;
    const ready = Math.min(await source.available(at), limit);
    if (ready <= 0 || sink.gone) return undefined;
    // The first bytes are not to wait for a long step.
    const buffer = sink.buffer(at === range.start ? Math.min(ready, STEP_BYTES) : ready);
    const count = await source.read(buffer, Math.min(ready, buffer.length), at).catch((error: unknown) => {
      sink.spare(buffer);
      throw error;
    });
    return { buffer, count };
  };
  let next = fetch(position);
  try {
    for (;;) {
      const step = await sink.until(next);
      if (sink.gone || !step || step.count === 0) break;
      const { buffer, count } = step;
      next = fetch(position + count);
      next.catch(() => {}); // seen when it is awaited, or of no interest because `out` has gone
      await sink.write(buffer, count);
      position += count;
    }
    sink.complain();
    return { sent: position - range.start, closed: sink.gone };
  } finally {
    sink.leave();
    void next.then((step) => step && sink.spare(step.buffer)).catch(() => {});
  }
}

/**
 * Writes `bytes`, which nobody will change, to `out` and does not end it. Does not wait for a connection to take them: they are
 * shared, so a slow client holds up nothing. Rejects with the failure of any other kind of `out`.
 */
export async function sendWhole(bytes: Buffer, out: Writable): Promise<void> {
  if (bytes.length === 0 || out.destroyed) return;
  if (isConnection(out)) {
    out.write(bytes);
    return;
  }
  const sink = new Sink(out);
  try {
    await sink.write(bytes, bytes.length);
    sink.complain();
  } finally {
    sink.leave();
  }
}

/** The same bytes as a stream. `done` is called once, when the stream is closed for whatever reason. */
export function readBytes(source: ByteSource, range: OpenRange, done: () => void): Readable {
  let position = range.start;
  return new Readable({
    highWaterMark: STEP_BYTES,
    read() {
      const step = async (): Promise<void> => {
        const limit = limitOf(range, position);
        const ready = limit <= 0 ? 0 : Math.min(await source.available(position), limit, STEP_BYTES);
        if (this.destroyed) return;
        const buffer = Buffer.allocUnsafe(Math.max(ready, 0));
        const count = ready > 0 ? await source.read(buffer, ready, position) : 0;
        position += count;
        this.push(count > 0 ? buffer.subarray(0, count) : null);
      };
      step().catch((error: unknown) => this.destroy(error instanceof Error ? error : new Error(String(error))));
    },
    destroy(error, callback) {
      done();
      callback(error);
    },
  });
}

interface Step {
  readonly buffer: Buffer;
  readonly count: number;
}

function limitOf(range: OpenRange, position: number): number {
  return range.end === undefined ? Number.POSITIVE_INFINITY : range.end + 1 - position;
}

function isConnection(out: Writable): boolean {
  return out instanceof ServerResponse || out instanceof Socket;
}

/** `out` as the loop sees it: one thing waited for at a time, and no waiting once it has gone. */
class Sink {
  readonly #out: Writable;
  readonly #connection: boolean;
  #failure: Error | undefined;
  #wake: () => void = () => {};

  constructor(out: Writable) {
    this.#out = out;
    this.#connection = isConnection(out);
    out.on('close', this.#closed).on('error', this.#failed);
  }

  readonly #closed = (): void => this.#wake();

  readonly #failed = (error: Error): void => {
    this.#failure ??= error;
    this.#wake();
  };

  get gone(): boolean {
    return this.#out.destroyed || this.#failure !== undefined;
  }

  /** Only connections are done with a chunk when they call back: a transform's chunk waits on its readable side. */
  buffer(wanted: number): Buffer {
    return this.#connection ? takeStep(wanted) : Buffer.allocUnsafeSlow(Math.min(wanted, STEP_BYTES));
  }

  /** Takes back a buffer that nobody reads any more. */
  spare(buffer: Buffer): void {
    if (this.#connection) giveStep(buffer);
  }

  /** The outcome of `promise`, or `undefined` as soon as `out` has gone. */
  until<T>(promise: Promise<T>): Promise<T | undefined> {
    if (this.gone) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#wake = () => resolve(undefined);
      promise.then(resolve, reject);
    });
  }

  /** Resolves when `out` has taken the bytes, or has gone. */
  write(buffer: Buffer, count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#out.write(buffer.subarray(0, count), (error) => {
        if (!error) this.spare(buffer);
        else if (this.#connection) loseStep(buffer);
        if (error) this.#failure ??= error;
        resolve();
      });
    });
  }

  /** Throws what went wrong with `out`, unless it is a connection. */
  complain(): void {
    if (this.#failure && !this.#connection) throw this.#failure;
  }

  leave(): void {
    this.#out.off('close', this.#closed).off('error', this.#failed);
  }
}
