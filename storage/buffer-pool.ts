/** Bytes that go from a file to a socket in one step: the size at which large files come level with sendfile. */
export const STEP_BYTES = 256 * 1024;

/** Lends buffers of `STEP_BYTES` and keeps a bounded number of them, so that serving files makes no garbage. */
export class BufferPool {
  readonly #free: Buffer[] = [];
  readonly #keep: number;

  /** `keep`: how many unused buffers are held on to. */
  constructor(keep: number) {
    this.#keep = keep;
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(STEP_BYTES);
  }

  /** Only for a buffer that nobody reads any more. */
  give(buffer: Buffer): void {
    if (this.#free.length < this.#keep) this.#free.push(buffer);
  }
}

/** Shared by all stores of the process, as the heap is: 16 MiB when nothing is being sent. */
export const stepBuffers: BufferPool = new BufferPool(64);
