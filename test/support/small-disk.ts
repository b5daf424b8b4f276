import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { makeTempDir } from './temp-dir.ts';

const exec = promisify(execFile);

/** A file system of its own with so little room, or why this machine cannot make one. */
export type SmallDisk = { readonly dir: string; readonly remove: () => Promise<void> } | { readonly skip: string };

/** Mounts a file system of `kibibytes` in memory. Needs the right to mount. */
export async function makeSmallDisk(kibibytes: number): Promise<SmallDisk> {
  const { dir, remove } = await makeTempDir();
  try {
    await exec('mount', ['-t', 'tmpfs', '-o', `size=${kibibytes}k`, 'tmpfs', dir]);
  } catch {
    await remove();
    return { skip: 'no right to mount a small file system' };
  }
  const unmount = async (): Promise<void> => {
    await exec('umount', [dir]);
    await rm(dir, { recursive: true, force: true });
  };
  return { dir, remove: unmount };
}
