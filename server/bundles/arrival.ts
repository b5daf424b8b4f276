import { availableParallelism } from 'node:os';

// To take in a megabyte costs a processor 4 ms, to inflate it 10: up to here neither waits for the other.
const BYTES_PER_SECOND = 64e6;
// A thread that has to start first, or a pause, does not make so much of a fast one look slow.
const WINDOW_BYTES = 16 * 1024 * 1024;

/** How fast an archive comes in: slowly enough that it can be looked into meanwhile at no cost to whoever sends it? */
export class Arrival {
  readonly #limit: number;
  #from: { readonly size: number; readonly ms: number } | undefined;

  /** `processors`: as many as this machine has unless told. */
  constructor(processors: number = availableParallelism()) {
    this.#limit = (processors - 1) * BYTES_PER_SECOND;
  }

  /** `size` bytes are there at `nowMs`. True when the last 16 MiB came slowly; false when they did not, or it is too early to tell. */
  isSlow(size: number, nowMs: number): boolean {
    this.#from ??= { size, ms: nowMs };
    const bytes = size - this.#from.size;
    if (bytes < WINDOW_BYTES) return false;
    const seconds = (nowMs - this.#from.ms) / 1000;
    this.#from = { size, ms: nowMs };
    return bytes < seconds * this.#limit;
  }
}
