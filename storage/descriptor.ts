import fs from 'node:fs';
import { promisify } from 'node:util';
import { SpoolGoneError } from './errors.ts';

const open = promisify(fs.open);

/** A file's bytes by position. */
export interface FileBytes {
  readonly size: number;
  /** Reads up to `length` bytes at `position` to the start of `buffer`; 0 at the end of the file. Throws the system's error. */
  read(buffer: Buffer, length: number, position: number): Promise<number>;
}

/** An open file that several parties use; closed when the last of them has let go, wherever its name went meanwhile. */
export class Descriptor {
  readonly fd: number;
  #users = 1;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** The caller is the first user. Throws the system's error. */
  static async open(path: string, flags: number | string, mode = 0o640): Promise<Descriptor> {
    return new Descriptor(await open(path, flags, mode));
  }

  get closed(): boolean {
    return this.#users === 0;
  }

  /** One more user. Throws `SpoolGoneError` when the last one has left. */
  retain(): void {
    if (this.#users === 0) throw new SpoolGoneError('the file is closed already');
    this.#users++;
  }

  release(): void {
    if (--this.#users > 0) return;
    // What was written is synced before this, and a reader has nothing to lose: there is no one left to tell.
    fs.close(this.fd, () => {});
  }

  /** Reads up to `length` bytes at `position` to the start of `buffer`; 0 at the end of the file. */
  read(buffer: Buffer, length: number, position: number): Promise<number> {
    this.retain();
    return new Promise((resolve, reject) => {
      fs.read(this.fd, buffer, 0, length, position, (error, count) => {
        this.release();
        if (error) reject(error);
        else resolve(count);
      });
    });
  }

  /** Writes all of `chunk` at `position`. */
  write(chunk: Uint8Array, position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (done: number): void => {
        fs.write(this.fd, chunk, done, chunk.length - done, position + done, (error, count) => {
          if (error) reject(error);
          else if (done + count < chunk.length) step(done + count);
          else resolve();
        });
      };
      step(0);
    });
  }

  /** Makes what was written durable. */
  async sync(): Promise<void> {
    this.retain();
    try {
      await promisify(fs.fdatasync)(this.fd);
    } finally {
      this.release();
    }
  }
}
