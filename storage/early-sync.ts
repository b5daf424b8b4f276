import type { Descriptor } from './descriptor.ts';

// Smaller files are written out at the end, in one go: what is left of a larger one by then takes about as long.
const EVERY_BYTES = 32 * 1024 * 1024;
// Each holds one of the few threads that files are read with (UV_THREADPOOL_SIZE).
const AT_ONCE = 1;
let underWay = 0;

/**
 * Has a large file go to the disk while it is still being written, which the system would put off: so little is left to wait for at its end.
 * That it is durable only the last sync says, which is the caller's, and only if nothing went wrong before it.
 */
export class EarlySync {
  readonly #file: Descriptor;
  #begunAt = 0;
  #running: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** The descriptor stays the caller's; it is held while it is being synced. */
  constructor(file: Descriptor) {
    this.#file = file;
  }

  /** So many bytes are written by now. Waits for nothing and throws nothing. */
  grown(size: number): void {
    if (size - this.#begunAt < EVERY_BYTES || this.#running !== undefined || underWay >= AT_ONCE) return;
    this.#begunAt = size;
    this.#running = this.#run();
  }

  /**
   * Resolves when none is under way. Throws what went wrong with one: the system tells it once only, so that a later sync which succeeds
   * says nothing of those bytes.
   */
  async settled(): Promise<void> {
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #run(): Promise<void> {
    underWay += 1;
    try {
      await this.#file.sync();
    } catch (error) {
      this.#failure ??= { error };
    } finally {
      underWay -= 1;
      this.#running = undefined;
    }
  }
}
