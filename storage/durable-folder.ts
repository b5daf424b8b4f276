import { constants, lstatSync, mkdirSync, renameSync } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf } from './file-errors.ts';
import { FolderSyncs, syncFile } from './folder-syncs.ts';
import { spoolPath } from './spool-path.ts';

/** Called with the name of every step of a `put` as it begins, so that a test can end the process between any two. */
export type OnStep = (step: string) => void;

/** A synced file that is to get its final name. */
export interface Take {
  readonly from: string;
  /** Below the root. */
  readonly path: string;
  /** Bytes that it must have. */
  readonly size: number;
}

/** Gives files their final name. */
export interface TakesFiles {
  /** Moves a file, replacing what is there; durable once it resolves. Throws the system's error. */
  take(file: Take): Promise<void>;
}

/** Where a file from another file system lies until it is whole, below the root; what a dead process left there may go. */
export function incomingFolder(root: string): string {
  return join(root, 'incoming');
}

/**
 * Makes files durable under their final name: first the file's bytes, then every folder that a name was added to. What takes the system no
 * time is done at once, without a turn of the event loop: for a thread that has nothing better to do.
 */
export class DurableFolder implements TakesFiles {
  readonly #root: string;
  readonly #onStep: OnStep;
  readonly #syncs = new FolderSyncs();
  /** Folders whose own name is known to be durable. Bounded by the layout: one for each prefix of two or four letters. */
  readonly #durable = new Set<string>();

  constructor(root: string, onStep: OnStep = () => {}) {
    this.#root = root;
    this.#onStep = onStep;
  }

  async take({ from, path, size }: Take): Promise<void> {
    const there = lstatSync(from).size;
    if (there !== size) throw new Error(`the file has ${there} bytes instead of ${size}`);
    const target = join(this.#root, path);
    const folder = dirname(target);
    this.#onStep('make folder');
    if (!this.#durable.has(folder)) this.#make(folder);
    this.#onStep('rename');
    const copied = await this.#move(from, target).catch(async (error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error;
      // Somebody has removed the folder since, or `from` is not there, and then this fails as well.
      this.#make(folder);
      return await this.#move(from, target);
    });
    this.#onStep('sync folders');
    await this.#syncUpwards(folder);
    this.#onStep('remove copied');
    if (copied) await rm(from, { force: true });
    this.#onStep('end');
  }

  #make(folder: string): void {
    const created = mkdirSync(folder, { recursive: true });
    if (created === undefined) return;
    for (let at = folder; at.length >= created.length; at = dirname(at)) this.#durable.delete(at);
  }

  /** Answers whether `from` is still there, since it had to be copied. */
  async #move(from: string, target: string): Promise<boolean> {
    try {
      renameSync(from, target);
      return false;
    } catch (error) {
      if (codeOf(error) !== 'EXDEV') throw error;
      await this.#copy(from, target);
      return true;
    }
  }

  /** From another file system: copied under another name first, so that no reader ever sees a part. */
  async #copy(from: string, target: string): Promise<void> {
    const incoming = incomingFolder(this.#root);
    const copy = spoolPath(incoming);
    this.#onStep('copy');
    mkdirSync(incoming, { recursive: true });
    try {
      await copyFile(from, copy, constants.COPYFILE_EXCL);
      this.#onStep('sync copy');
      await syncFile(copy);
      this.#onStep('rename copy');
      renameSync(copy, target);
    } catch (error) {
      await rm(copy, { force: true });
      throw error;
    }
  }

  /** The folder of a new name, and those above it up to the first whose own name is durable: all at once, since nothing counts before the last. */
  async #syncUpwards(folder: string): Promise<void> {
    const named: string[] = [];
    const syncing = [this.#syncs.sync(folder)];
    for (let at = folder; at !== this.#root && !this.#durable.has(at); at = dirname(at)) {
      syncing.push(this.#syncs.sync(dirname(at)));
      named.push(at);
    }
    await Promise.all(syncing);
    for (const at of named) this.#durable.add(at);
  }
}
