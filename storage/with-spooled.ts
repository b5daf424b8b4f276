import type { Spooled } from './blob-store.ts';
import { fileError } from './file-errors.ts';
import { removeSpool } from './remove-spool.ts';
import { spoolPath } from './spool-path.ts';
import { spoolThread } from './spool-thread.ts';

/**
 * Runs `work` with a finished spool of bytes that are at hand, as a `Spool` would leave it. `work` takes its file; when it throws, the file
 * is removed. Throws `StorageFullError`, `StorageUnavailableError`, and what `work` throws.
 */
export async function withSpooled<T>(dir: string, bytes: Buffer, work: (spooled: Spooled) => Promise<T>): Promise<T> {
  const path = spoolPath(dir);
  try {
    const { digest } = await spoolThread.write(path, bytes).catch((error: unknown) => {
      throw fileError('writing a spool', error);
    });
    return await work({ digest, size: bytes.length, path });
  } catch (error) {
    await removeSpool(path);
    throw error;
  }
}
