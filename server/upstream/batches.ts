import { giveStep, takeShared } from '../../storage/buffer-pool.ts';
import { freePiece } from '../../storage/free-piece.ts';

interface Batch {
  readonly buffer: Buffer;
  filled: number;
}

// Beside the one that is being written: so much is read ahead.
const MOST_WAITING = 3;

/**
 * Hands all bytes to `write`, in order, one call at a time: what arrives while a call is under way goes into the next ones. So the first
 * bytes are written at once, and a fast source in few large pieces. A batch is `write`'s until what it returns settles; the pieces of
 * `bytes` are taken, and nobody else may look at them. Ends early, with `false`, when `write` says `false`; throws what either throws.
 */
export async function inBatches(
  bytes: AsyncIterable<Buffer>,
  write: (batch: Buffer) => Promise<boolean>,
): Promise<boolean> {
  const batches = new Batches(write);
  for await (const chunk of bytes) {
    for (let at = 0; at < chunk.length; ) {
      if (batches.isFull && !(await batches.room())) return false;
      at += batches.add(chunk, at);
    }
    freePiece(chunk);
  }
  return batches.end();
}

/** Bytes that wait to be written, in buffers that are used again: the source's own are free as soon as they are copied. */
class Batches {
  readonly #write: (batch: Buffer) => Promise<boolean>;
  readonly #waiting: Batch[] = [];
  /** Ends when nothing waits any more, or with what `write` said or threw. */
  #writing: Promise<boolean> | undefined;
  #written = Promise.withResolvers<void>();
  #isOver = false;

  constructor(write: (batch: Buffer) => Promise<boolean>) {
    this.#write = write;
  }

  /** Nothing more can be added before something is written. */
  get isFull(): boolean {
    if (this.#isOver) return true;
    const last = this.#waiting.at(-1);
    return this.#waiting.length >= MOST_WAITING && last !== undefined && last.filled === last.buffer.length;
  }

  /** Takes bytes of `chunk` from `from` on, as many as fit; answers how many. */
  add(chunk: Buffer, from: number): number {
    let batch = this.#waiting.at(-1);
    if (batch === undefined || batch.filled === batch.buffer.length) {
      // A slow source's pieces are written one by one.
      const isAhead = this.#writing !== undefined;
      batch = { buffer: takeShared(isAhead ? Number.POSITIVE_INFINITY : chunk.length - from), filled: 0 };
      this.#waiting.push(batch);
    }
    const count = chunk.copy(batch.buffer, batch.filled, from);
    batch.filled += count;
    if (this.#writing === undefined) {
      this.#writing = this.#writeAll();
      this.#writing.catch(() => {}); // noticed by `room` and `end`
    }
    return count;
  }

  /** Waits until something can be added; `false`, or what `write` threw, when nothing will be written any more. */
  async room(): Promise<boolean> {
    if (!this.#isOver) await Promise.race([this.#written.promise, this.#writing]);
    return this.#isOver ? this.end() : true;
  }

  /** Waits until all is written. */
  async end(): Promise<boolean> {
    return (await this.#writing) ?? true;
  }

  async #writeAll(): Promise<boolean> {
    for (let batch = this.#waiting.shift(); batch !== undefined; batch = this.#waiting.shift()) {
      let goesOn = false;
      try {
        goesOn = await this.#write(batch.buffer.subarray(0, batch.filled));
      } finally {
        giveStep(batch.buffer);
        if (!goesOn) this.#giveUp();
      }
      if (!goesOn) return false;
      this.#written.resolve();
      this.#written = Promise.withResolvers();
    }
    this.#writing = undefined;
    return true;
  }

  #giveUp(): void {
    this.#isOver = true;
    for (const { buffer } of this.#waiting.splice(0)) giveStep(buffer);
  }
}
