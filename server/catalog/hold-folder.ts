import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { access, constants, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemClock } from '../clock.ts';
import { CatalogUnusableError } from './errors.ts';
import { lockFile } from './lock-file.ts';

const LOCK = 'in-use';
// In all, longer than another takes to do the same: to remove what the dead have left. Other processes do not wait for a test's clock.
const TRIES = 500;
const PAUSE_MS = 20;

/** A folder that is this process's alone. */
export interface HeldFolder {
  readonly dir: string;
  letGo(): Promise<void>;
}

// Where nobody may read without a token, other users of the machine may not either. A folder that is there keeps its mode.
const OWNER_ONLY = 0o700;

/**
 * Takes a data folder, made if need be, for this process alone, until it is let go or the process ends, however it ends: two would sweep
 * each other's spools away. `parts`: folders in it that have to take files, once they are there. Throws `CatalogUnusableError` with a
 * sentence for whoever starts it.
 */
export async function holdFolder(dataDir: string, parts: readonly string[] = []): Promise<HeldFolder> {
  const letGo = await usable(dataDir, async () => {
    await makeFolder(dataDir);
    // What another user, such as root, has made here once: the server would start, and keep nothing.
    for (const part of parts) await takesFiles(join(dataDir, part));
    return lockFile(join(dataDir, LOCK));
  });
  if (letGo !== undefined) return { dir: dataDir, letGo: async () => letGo() };
  throw new CatalogUnusableError(
    `Another Stormcellar that runs uses the folder ${dataDir}. Stop it first, or give this one another "dataDir".`,
  );
}

/**
 * Makes a folder of this process below `parent`, beside those of others that share it, and removes those whose processes have ended; so
 * nobody sweeps away what another is writing. Throws `CatalogUnusableError` with a sentence for whoever starts it.
 */
export async function ownFolder(parent: string): Promise<HeldFolder> {
  return await usable(parent, async () => {
    await makeFolder(parent);
    // One at a time: a folder that is made and not held yet looks as one whose owner is dead.
    const alone = await lockPatiently(join(parent, LOCK));
    try {
      for (const entry of await readdir(parent, { withFileTypes: true })) {
        if (entry.isDirectory()) await removeUnheld(join(parent, entry.name));
      }
      const dir = join(parent, randomUUID());
      await mkdir(dir);
      const free = lockFile(join(dir, LOCK));
      return {
        dir,
        letGo: async () => {
          await rm(dir, { recursive: true, force: true });
          free?.();
        },
      };
    } finally {
      alone();
    }
  });
}

/** Makes a folder and those above it, each its owner's alone. One that is there stays as it is. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: OWNER_ONLY });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    // Where nothing can be made, such as in /proc, this is ENOENT for ever, and Node's own `recursive` tries for as long.
    if (code !== 'ENOENT' || existsSync(dirname(path))) throw error;
    await makeFolder(dirname(path));
    await makeFolder(path);
  }
}

async function takesFiles(folder: string): Promise<void> {
  try {
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}

async function lockPatiently(path: string): Promise<() => void> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const letGo = lockFile(path);
    if (letGo !== undefined) return letGo;
    await systemClock.sleep(PAUSE_MS);
  }
  throw new Error('another process has been busy with it for too long');
}

async function removeUnheld(dir: string): Promise<void> {
  const free = lockFile(join(dir, LOCK));
  if (free === undefined) return;
  await rm(dir, { recursive: true, force: true });
  free();
}

async function usable<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CatalogUnusableError(`The folder ${folder} cannot be used: ${reason}.`, { cause });
  }
}
