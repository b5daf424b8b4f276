import { unlink } from 'node:fs/promises';
import { codeOf, fileError } from './file-errors.ts';

/** Removes a spool's file, if it is still there. Throws `StorageUnavailableError`. */
export async function removeSpool(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw fileError('removing a spool', error);
  });
}
