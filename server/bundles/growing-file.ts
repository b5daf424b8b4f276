import { type FileHandle, open } from 'node:fs/promises';
import { ArchiveError } from './archive-error.ts';

const STEP_BYTES = 512 * 1024;

/** A file that another thread writes, read from its start while it grows. */
export class GrowingFile {
  readonly path: string;
  #size: number;
  #state: 'growing' | 'finished' | 'abandoned' = 'growing';
  #wake = Promise.withResolvers<void>();

  constructor(path: string, size: number) {
    this.path = path;
    this.#size = size;
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

  /** The bytes in order, up to the end. A chunk is valid until the next is asked for. Throws `ArchiveError` when abandoned. */
  async *chunks(): AsyncGenerator<Buffer> {
    const file = await open(this.path, 'r');
    try {
      let position = 0;
      for (;;) {
        this.check();
        const ready = Math.min(this.#size - position, STEP_BYTES);
        if (ready > 0) {
          const chunk = await readAt(file, Buffer.allocUnsafeSlow(ready), position);
          if (chunk.length === 0) throw new ArchiveError('the archive is cut short');
          position += chunk.length;
          yield chunk;
        } else if (this.#state === 'finished') return;
        else await this.#wake.promise;
      }
    } finally {
      await file.close();
    }
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
