import { beginLarge } from './begin-large.ts';
import { giveStep, isShared, takeShared } from './buffer-pool.ts';
import type { Descriptor } from './descriptor.ts';
import type { ExtraHash, SpoolHashes } from './spool-hashes.ts';
import type { FileHashes } from './spool-orders.ts';
import { hashesInThread, spoolThread, type ThreadedWriter } from './spool-thread.ts';

// Up to here a file is done before the thread would have heard of it.
const HAND_OVER_BYTES = 1024 * 1024;

export interface SpoolWriterOptions {
  readonly extra: readonly ExtraHash[];
  /** 0: nobody knows. */
  readonly expectedBytes: number;
}

/** Hashes and writes a spool's bytes: here as long as it is small, in a thread of its own once it is large. One call at a time. */
export class SpoolWriter {
  readonly #file: Descriptor;
  readonly #extra: readonly ExtraHash[];
  readonly #hashes: SpoolHashes;
  readonly #expectedBytes: number;
  #threaded: ThreadedWriter | undefined;

  /** The descriptor stays the caller's; `hashes` are new ones, `extra` those of them that were asked for; `expectedBytes` will come. */
  constructor(file: Descriptor, hashes: SpoolHashes, more: SpoolWriterOptions) {
    this.#file = file;
    this.#hashes = hashes;
    this.#extra = more.extra;
    this.#expectedBytes = more.expectedBytes;
  }

  /**
   * Begins to append at `position`, which is where the last call ended. Resolves when the next may be made, with what settles when the bytes
   * are written: a thread that gets several pieces at once need not wait for us between them. Both throw the system's error.
   */
  async begin(chunk: Uint8Array, position: number): Promise<{ readonly written: Promise<void> }> {
    if (this.#threaded === undefined && hashesInThread && this.#isLarge(position + chunk.length)) {
      this.#threaded = await beginLarge(this.#file.fd, position, this.#extra);
    }
    if (this.#threaded !== undefined && isShared(chunk)) return { written: this.#threaded.append(chunk, position) };
    if (this.#threaded !== undefined) await appendCopied(this.#threaded, chunk, position);
    else {
      this.#hashes.update(chunk);
      await this.#file.write(chunk, position);
    }
    return { written: Promise.resolve() };
  }

  #isLarge(bytes: number): boolean {
    // No first byte of a file waits for a thread to start.
    return bytes > HAND_OVER_BYTES || (this.#expectedBytes > HAND_OVER_BYTES && spoolThread.isRunning);
  }

  /** The hashes of everything that was appended. Once only. Throws when the thread has ended. */
  async finish(): Promise<FileHashes> {
    return this.#threaded === undefined ? this.#hashes.finish() : await this.#threaded.finish();
  }

  /** Lets go of what it holds besides the descriptor. */
  abandon(): void {
    this.#threaded?.abandon();
  }
}

async function appendCopied(threaded: ThreadedWriter, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const buffer = takeShared(chunk.length - done);
    const piece = chunk.subarray(done, done + buffer.length);
    buffer.set(piece);
    try {
      await threaded.append(buffer.subarray(0, piece.length), position + done);
    } finally {
      giveStep(buffer);
    }
    done += piece.length;
  }
}
