import type { FileHandle } from 'node:fs/promises';
import { ArchiveError } from './archive-error.ts';

const STEP_BYTES = 512 * 1024;
// Less behind than that says nothing yet.
const LATE_BYTES = 16 * 1024 * 1024;

export interface GrowingFileOptions {
  /** Bytes that can be read already. */
  readonly size: number;
  /** Reading that falls far behind goes on when the file is complete. */
  readonly mayBePutOff: boolean;
  /** Called when reading is put off until the file is complete. */
  readonly onLate: () => void;
}

/** A file that another thread writes, read from its start while it grows. */
export class GrowingFile {
  /** Open for reading; whoever has made this closes it. */
  readonly file: FileHandle;
  readonly #mayBePutOff: boolean;
  readonly #onLate: () => void;
  /** Bytes that were there when reading began. */
  readonly #first: number;
  #size: number;
  #position = 0;
  #state: 'growing' | 'finished' | 'abandoned' = 'growing';
  #wake = Promise.withResolvers<void>();

  constructor(file: FileHandle, options: GrowingFileOptions) {
    this.file = file;
    this.#first = options.size;
    this.#size = options.size;
    this.#mayBePutOff = options.mayBePutOff;
    this.#onLate = options.onLate;
  }

  /** Bytes that are there and were not read yet. */
  get left(): number {
    return this.#size - this.#position;
  }

  /** So many bytes can be read by now. */
  grown(size: number): void {
    this.#size = Math.max(this.#size, size);
    this.#stir();
  }

  /** Nothing will follow. */
  finished(size: number): void {
    this.#size = size;
    if (this.#state === 'growing') this.#state = 'finished';
    this.#stir();
  }

  /** Nobody wants the outcome any more, or it took too long; readers fail with `reason`. */
  abandon(reason: string): void {
    this.#state = 'abandoned';
    this.#reason = reason;
    this.#stir();
  }
  #reason = '';

  /** Throws `ArchiveError` once the file is abandoned. */
  check(): void {
    if (this.#state === 'abandoned') throw new ArchiveError(this.#reason);
  }

  /** Resolves when nothing will follow. Throws `ArchiveError` when it is abandoned. */
  async whole(): Promise<void> {
    while (this.#state === 'growing') await this.#wake.promise;
    this.check();
  }

  /**
   * The bytes in order, up to the end. Of a file that grows more than twice as fast as its bytes are asked for, counted from when reading
   * began, the rest comes when it is complete, if it may be put off. A chunk is valid until the next is asked for. Throws `ArchiveError`
   * when abandoned.
   */
  async *chunks(): AsyncGenerator<Buffer> {
    for (;;) {
      this.check();
      if (this.#isHopeless()) {
        this.#onLate();
        await this.whole();
      }
      const ready = Math.min(this.left, STEP_BYTES);
      if (ready > 0) {
        const chunk = await readAt(this.file, Buffer.allocUnsafeSlow(ready), this.#position);
        if (chunk.length === 0) throw new ArchiveError('the archive is cut short');
        this.#position += chunk.length;
        yield chunk;
      } else if (this.#state === 'finished') return;
      else await this.#wake.promise;
    }
  }

  /** Then to go on would only slow down whoever writes, and at best halve what is left to do in the end. */
  #isHopeless(): boolean {
    if (!this.#mayBePutOff || this.#state !== 'growing') return false;
    const grown = this.#size - this.#first;
    return grown - this.#position > LATE_BYTES && this.#position < grown / 2;
  }

  #stir(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

async function readAt(file: FileHandle, buffer: Buffer, position: number): Promise<Buffer> {
  const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
  return buffer.subarray(0, bytesRead);
}
