import { availableParallelism } from 'node:os';

// To take in a megabyte costs a processor 4 ms, to inflate it 10: up to here neither waits for the other.
const BYTES_PER_SECOND = 64e6;
// A thread that has to start first, or a pause, does not make so much of a fast one look slow.
const WINDOW_BYTES = 16 * 1024 * 1024;

// Of one that comes fast: whoever sends it waits half as long again at most, and what is inside is known so much sooner.
const SHARE_BEFORE_READING = 0.4;

/** How an archive comes in: may it be looked into meanwhile at little cost to whoever sends it? */
export class Arrival {
  readonly #length: number;
  readonly #limit: number;
  #from: { readonly size: number; readonly ms: number } | undefined;

  /** `length`: bytes that are announced, 0 for none. `processors`: as many as this machine has unless told. */
  constructor(length = 0, processors: number = availableParallelism()) {
    this.#length = processors > 1 ? length : 0;
    this.#limit = (processors - 1) * BYTES_PER_SECOND;
  }

  /** Are `size` bytes so much of the announced length that it is looked into however fast it comes? */
  hasComeFar(size: number): boolean {
    return this.#length > 0 && size >= SHARE_BEFORE_READING * this.#length;
  }

  /** `size` bytes are there at `nowMs`. True when it has come far, or the last 16 MiB came slowly. */
  mayBeFollowed(size: number, nowMs: number): boolean {
    if (this.hasComeFar(size)) return true;
    this.#from ??= { size, ms: nowMs };
    const bytes = size - this.#from.size;
    if (bytes < WINDOW_BYTES) return false;
    const seconds = (nowMs - this.#from.ms) / 1000;
    this.#from = { size, ms: nowMs };
    return bytes < seconds * this.#limit;
  }
}
