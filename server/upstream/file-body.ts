import type { Readable } from 'node:stream';
import type { Clock } from '../clock.ts';
import { drop } from './body.ts';
import { UpstreamError, upstreamErrorOf } from './errors.ts';

export interface FileBodyOptions {
  readonly clock: Clock;
  /** How long it may pause while somebody wants more of it, milliseconds. */
  readonly idleTimeoutMs: number;
}

// Lets the network run ahead of the reader by this much; the disk has a queue of its own behind it.
const AHEAD_BYTES = 256 * 1024;
const DONE = new Error('the body is done');

/**
 * The bytes of a file as an upstream sends them: pieces just as they come off the network, which a stream in between would copy once or twice
 * more. Read by one reader, once. What came before a failure is given out before the failure is thrown. Broken off with an
 * `UpstreamError` of kind `timeout` when it pauses for too long; a reader that takes nothing is no pause of the upstream's.
 */
export class FileBody implements AsyncIterable<Buffer> {
  readonly #source: Readable;
  readonly #closed = new AbortController();
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #isWhole = false;
  #failure: UpstreamError | undefined;
  #wake: (() => void) | undefined;
  #lastAt: number;

  /** Takes over `source`. */
  constructor(source: Readable, { clock, idleTimeoutMs }: FileBodyOptions) {
    this.#source = source;
    this.#lastAt = clock.nowMs();
    source.on('data', (piece: Buffer) => this.#came(piece, clock.nowMs()));
    source.on('end', () => {
      this.#isWhole = true;
      this.#stir();
    });
    source.on('error', (error) => this.#fail(upstreamErrorOf(error)));
    source.on('close', () => {
      if (!this.#isWhole) this.#fail(new UpstreamError('reset', 'the connection was cut'));
    });
    this.#keepWatch(clock, idleTimeoutMs).catch(() => {
      // The sleep was broken off because the body is done.
    });
  }

  get #isClosed(): boolean {
    return this.#closed.signal.aborted;
  }

  /** Calls `then` when it has been read to its end, has failed, or was destroyed: at once if that is so already. */
  whenClosed(then: () => void): void {
    if (this.#isClosed) then();
    else this.#closed.signal.addEventListener('abort', then, { once: true });
  }

  /** Lets go of what is left, and of the connection. A reader fails. */
  destroy(): void {
    this.#fail(new UpstreamError('here', 'the download was given up'));
    this.#waiting.length = 0;
    this.#close();
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    return {
      next: () => this.#next(),
      return: async () => {
        this.destroy();
        return { done: true, value: undefined };
      },
    };
  }

  async #next(): Promise<IteratorResult<Buffer>> {
    for (;;) {
      const piece = this.#waiting.shift();
      if (piece !== undefined) {
        this.#waitingBytes -= piece.length;
        if (this.#waitingBytes < AHEAD_BYTES && this.#source.isPaused()) this.#source.resume();
        return { done: false, value: piece };
      }
      if (this.#isWhole || this.#failure !== undefined) this.#close();
      if (this.#isWhole) return { done: true, value: undefined };
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #came(piece: Buffer, now: number): void {
    if (this.#isClosed || piece.length === 0) return;
    this.#lastAt = now;
    this.#waiting.push(piece);
    this.#waitingBytes += piece.length;
    if (this.#waitingBytes >= AHEAD_BYTES) this.#source.pause();
    this.#stir();
  }

  #fail(failure: UpstreamError): void {
    if (this.#isWhole) return;
    this.#failure ??= failure;
    this.#stir();
  }

  #stir(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#closed.abort(DONE);
    drop(this.#source);
  }

  async #keepWatch(clock: Clock, idleTimeoutMs: number): Promise<void> {
    for (;;) {
      if (this.#waiting.length > 0) this.#lastAt = clock.nowMs();
      const left = this.#lastAt + idleTimeoutMs - clock.nowMs();
      if (left > 0) await clock.sleep(left, this.#closed.signal);
      else {
        this.#fail(new UpstreamError('timeout', 'the file stopped coming'));
        return;
      }
    }
  }
}
