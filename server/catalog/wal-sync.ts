import { type FileHandle, open } from 'node:fs/promises';

/** Makes committed transactions durable, off the event loop. */
export interface WalSync {
  /** Resolves when everything committed before the call is on disk. Calls that come together share one sync. */
  flush(): Promise<void>;
  /** Waits for syncs under way and lets go of the file. */
  close(): Promise<void>;
}

/**
 * Syncs SQLite's write-ahead log at `path`. With `synchronous = FULL` SQLite would do this itself at each commit, in the thread of
 * the event loop, where a slow disk would stop every request; that is all that FULL adds to NORMAL in WAL mode
 * (https://www.sqlite.org/pragma.html#pragma_synchronous). The log carries no POSIX locks, so a second descriptor is harmless.
 */
export async function openWalSync(path: string): Promise<WalSync> {
  const file = await open(path, 'r+');
  return new SharedSync(file);
}

class SharedSync implements WalSync {
  readonly #file: FileHandle;
  /** The sync that began last. */
  #last: Promise<void> = Promise.resolve();
  /** The one that begins when `#last` has ended; whoever asks before then shares it. */
  #next: Promise<void> | undefined;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  flush(): Promise<void> {
    // One that has begun may miss what was committed since.
    this.#next ??= this.#syncAfter(this.#last);
    return this.#next;
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#next]);
    await Promise.allSettled([this.#last]);
    await this.#file.close();
  }

  async #syncAfter(last: Promise<void>): Promise<void> {
    await Promise.allSettled([last]);
    this.#next = undefined;
    this.#last = this.#file.datasync();
    await this.#last;
  }
}
