import { allSettled } from './all-settled.ts';
import type { ExtraHash } from './spool-hashes.ts';
import { SpoolThread, spoolThread, type ThreadedWriter } from './spool-thread.ts';

const hashThread = new SpoolThread();

/**
 * Hands the file of descriptor `fd`, which has `size` bytes already, to the thread of spools. Of several further hashes, all but the first are
 * computed in a second thread: each takes twice as long as sha256, and what takes longest decides how fast an upload is. Throws the system's
 * error.
 */
export async function beginLarge(fd: number, size: number, extra: readonly ExtraHash[]): Promise<ThreadedWriter> {
  const writer = await spoolThread.begin(fd, size, extra.slice(0, 1));
  const beside = extra.slice(1);
  if (beside.length === 0) return writer;
  const hashes = await hashThread.hash(fd, size, beside).catch((error: unknown) => {
    writer.abandon();
    throw error;
  });
  return {
    append: (bytes, position) => allSettled([writer.append(bytes, position), hashes.update(bytes)]),
    finish: async () => {
      const [{ digest, extra: first }, others] = await Promise.all([writer.finish(), hashes.finish()]);
      return { digest, extra: { ...first, ...others } };
    },
    abandon: () => {
      writer.abandon();
      hashes.abandon();
    },
  };
}
