import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf, fileError } from './file-errors.ts';

/**
 * Bytes that can be written on the file system of `dir` before only `minFreeBytes` are left. A folder that is not there yet is
 * looked for upwards. Throws `StorageUnavailableError`.
 */
export async function freeSpace(dir: string, minFreeBytes: number): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(dir);
    return Math.max(0, bavail * bsize - minFreeBytes);
  } catch (error) {
    if (codeOf(error) === 'ENOENT' && dirname(dir) !== dir) return await freeSpace(dirname(dir), minFreeBytes);
    throw fileError('asking for free space', error);
  }
}
