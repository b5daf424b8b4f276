import { closeSync, constants, fsync, openSync } from 'node:fs';
import { promisify } from 'node:util';

const fsyncOf = promisify(fsync);

/** Syncs folders, each once for all who ask while they wait: names that are added to one folder together cost one sync. */
export class FolderSyncs {
  /** Of each folder the sync that began last; gone once it has ended. */
  readonly #running = new Map<string, Promise<void>>();
  /** Of each folder the one that begins when that has ended. */
  readonly #next = new Map<string, Promise<void>>();

  /** Resolves when every name that was in `folder` before the call is durable. Throws the system's error. */
  sync(folder: string): Promise<void> {
    const waiting = this.#next.get(folder);
    if (waiting !== undefined) return waiting;
    const running = this.#running.get(folder);
    if (running === undefined) return this.#begin(folder);
    // One that has begun may miss what was added since.
    const next = running.then(
      () => this.#begin(folder),
      () => this.#begin(folder),
    );
    this.#next.set(folder, next);
    return next;
  }

  #begin(folder: string): Promise<void> {
    this.#next.delete(folder);
    const sync = syncOpened(folder, constants.O_RDONLY | constants.O_DIRECTORY).finally(() => {
      if (this.#running.get(folder) === sync) this.#running.delete(folder);
    });
    this.#running.set(folder, sync);
    return sync;
  }
}

/** Makes the bytes of a file durable that is closed already. Throws the system's error. */
export function syncFile(path: string): Promise<void> {
  return syncOpened(path, constants.O_RDWR);
}

async function syncOpened(path: string, flags: number): Promise<void> {
  const fd = openSync(path, flags);
  try {
    await fsyncOf(fd);
  } finally {
    closeSync(fd);
  }
}
