import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf } from './file-errors.ts';

/** Called with the name of every step of a `put` as it begins, so that a test can end the process between any two. */
export type OnStep = (step: string) => void;

/** Where a file from another file system lies until it is whole. */
const INCOMING = 'incoming';

/** Makes files durable under their final name: first the file's bytes, then every folder that a name was added to. */
export class DurableFolder {
  readonly #root: string;
  readonly #onStep: OnStep;
  /** Folders whose own name is known to be durable. Bounded by the layout: one for each prefix of two or four letters. */
  readonly #durable = new Set<string>();

  constructor(root: string, onStep: OnStep) {
    this.#root = root;
    this.#onStep = onStep;
  }

  /** The folder of copies under way; what a dead process left there may go. */
  get incoming(): string {
    return join(this.#root, INCOMING);
  }

  /** Moves the synced file `from` to `path` below the root, replacing what is there. Throws the system's error. */
  async take(from: string, path: string): Promise<void> {
    const target = join(this.#root, path);
    const folder = dirname(target);
    this.#onStep('make folder');
    if (!this.#durable.has(folder)) await this.#make(folder);
    this.#onStep('rename');
    const copied = await this.#move(from, target).catch(async (error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error;
      // Somebody has removed the folder since, or `from` is not there, and then this fails as well.
      await this.#make(folder);
      return await this.#move(from, target);
    });
    this.#onStep('sync folder');
    await syncFolder(folder);
    this.#onStep('sync parents');
    await this.#syncParents(folder);
    this.#onStep('remove copied');
    if (copied) await rm(from, { force: true });
    this.#onStep('end');
  }

  async #make(folder: string): Promise<void> {
    const created = await mkdir(folder, { recursive: true });
    if (created === undefined) return;
    for (let at = folder; at.length >= created.length; at = dirname(at)) this.#durable.delete(at);
  }

  /** Answers whether `from` is still there, since it had to be copied. */
  async #move(from: string, target: string): Promise<boolean> {
    try {
      await rename(from, target);
      return false;
    } catch (error) {
      if (codeOf(error) !== 'EXDEV') throw error;
      await this.#copy(from, target);
      return true;
    }
  }

  /** From another file system: copied under another name first, so that no reader ever sees a part. */
  async #copy(from: string, target: string): Promise<void> {
    const copy = join(this.incoming, `${randomUUID()}.spool`);
    this.#onStep('copy');
    await mkdir(this.incoming, { recursive: true });
    try {
      await copyFile(from, copy, constants.COPYFILE_EXCL);
      this.#onStep('sync copy');
      await syncFile(copy);
      this.#onStep('rename copy');
      await rename(copy, target);
    } catch (error) {
      await rm(copy, { force: true });
      throw error;
    }
  }

  async #syncParents(folder: string): Promise<void> {
    const synced: string[] = [];
    for (let at = folder; at !== this.#root && !this.#durable.has(at); at = dirname(at)) {
      await syncFolder(dirname(at));
      synced.push(at);
    }
    for (const at of synced) this.#durable.add(at);
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
