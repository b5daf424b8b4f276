/** Bytes that go from a file to a socket in one step: the size at which large files come level with sendfile. */
export const STEP_BYTES = 256 * 1024;
/** The same while few clients pull: a step costs a trip to a thread and back, whatever its size, and that is a quarter of the time of a short one. */
export const LONG_STEP_BYTES = 1024 * 1024;
/** The same for what is small, or comes in small pieces. */
export const SMALL_STEP_BYTES = 64 * 1024;

/**
 * Lends buffers of one size and keeps those that come back, so that moving bytes makes no garbage: under load as many as are in use,
 * and few once all are back.
 */
export class BufferPool {
  readonly #bytes: number;
  readonly #isShared: boolean;
  readonly #most: number;
  readonly #fewest: number;
  #free: Buffer[] = [];
  #lent = 0;

  /**
   * `most`: unused buffers that are held on to while others are in use; `fewest`: once none is; `shared`: their memory is seen by other
   * threads that they are handed to.
   */
  constructor(options: {
    readonly bytes: number;
    readonly most: number;
    readonly fewest: number;
    readonly shared?: true;
  }) {
    this.#bytes = options.bytes;
    this.#isShared = options.shared === true;
    this.#most = options.most;
    this.#fewest = options.fewest;
  }

  /** Buffers that are in use. */
  get lent(): number {
    return this.#lent;
  }

  take(): Buffer {
    this.#lent += 1;
    return this.#free.pop() ?? this.#make();
  }

  #make(): Buffer {
    return this.#isShared ? Buffer.from(new SharedArrayBuffer(this.#bytes)) : Buffer.allocUnsafeSlow(this.#bytes);
  }

  /** Only for a buffer of this pool that nobody reads any more. */
  give(buffer: Buffer): void {
    if (this.#free.length < this.#most) this.#free.push(buffer);
    this.lose();
  }

  /** One that was lent does not come back: somebody may still read it. */
  lose(): void {
    this.#lent -= 1;
    if (this.#lent === 0) this.#free = this.#free.slice(0, this.#fewest);
  }
}

// Shared by all of the process, as the heap is. 64 clients that pull large files have 128 of the large ones in use.
const large = new BufferPool({ bytes: STEP_BYTES, most: 128, fewest: 16 });
const small = new BufferPool({ bytes: SMALL_STEP_BYTES, most: 128, fewest: 16 });
const LONG_AT_ONCE = 4;
const long = new BufferPool({ bytes: LONG_STEP_BYTES, most: LONG_AT_ONCE, fewest: 2 });

/**
 * A buffer for `wanted` bytes: of `SMALL_STEP_BYTES` if they fit; for more than `STEP_BYTES`, of `LONG_STEP_BYTES` while there are few of
 * these; else of `STEP_BYTES`. To be given to `giveStep` or `loseStep`, once.
 */
export function takeStep(wanted: number): Buffer {
  if (wanted > STEP_BYTES && long.lent < LONG_AT_ONCE) return long.take();
  return (wanted <= SMALL_STEP_BYTES ? small : large).take();
}

/** Takes back a buffer of `takeStep` or `takeShared` that nobody reads any more. */
export function giveStep(buffer: Buffer): void {
  poolOf(buffer).give(buffer);
}

/** Says that a buffer of `takeStep` will not come back, because somebody may still read it. */
export function loseStep(buffer: Buffer): void {
  poolOf(buffer).lose();
}

// For bytes on their way to the disk, which another thread may write: four for each download.
const largeShared = new BufferPool({ bytes: STEP_BYTES, most: 64, fewest: 4, shared: true });
const smallShared = new BufferPool({ bytes: SMALL_STEP_BYTES, most: 64, fewest: 4, shared: true });

/** Like `takeStep`, of memory that other threads can be shown. To be given to `giveStep`, once. */
export function takeShared(wanted: number): Buffer {
  return (wanted <= SMALL_STEP_BYTES ? smallShared : largeShared).take();
}

/** Is the memory of `bytes` such that other threads can be shown it? */
export function isShared({ buffer }: Uint8Array): boolean {
  return buffer instanceof SharedArrayBuffer;
}

function poolOf(buffer: Buffer): BufferPool {
  if (isShared(buffer)) return buffer.length === SMALL_STEP_BYTES ? smallShared : largeShared;
  if (buffer.length === LONG_STEP_BYTES) return long;
  return buffer.length === SMALL_STEP_BYTES ? small : large;
}
