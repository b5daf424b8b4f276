import type { BlobStore, Spooled } from '../storage/blob-store.ts';
import { StorageFullError, StorageUnavailableError } from '../storage/errors.ts';
import type { BlobKeeper } from './blob-keeper.ts';
import { touchBlob } from './catalog/blobs.ts';
import type { Catalog } from './catalog/catalog.ts';
import { CatalogFullError } from './catalog/errors.ts';
import type { Clock } from './clock.ts';

const RETRY_MS = 1000;
/** A collector removes a batch in seconds; one that has died is waited out only by callers that come back later. */
const TRIES = 60;

/**
 * The keeper over a catalog and a store. Order: first the row that keeps garbage collection away, then the bytes, and the caller
 * then adds the row that names them. A process that dies in between leaves a blob that nothing refers to, which is collected.
 */
export function createBlobKeeper(parts: {
  readonly catalog: Catalog;
  readonly blobs: Pick<BlobStore, 'put'>;
  readonly clock: Clock;
}): BlobKeeper {
  const { catalog, blobs, clock } = parts;

  async function hold(wanted: readonly Spooled[]): Promise<void> {
    for (let attempt = 1; attempt <= TRIES; attempt += 1) {
      if (await touch(wanted)) return;
      await clock.sleep(RETRY_MS);
    }
    throw new StorageUnavailableError(
      `blob ${wanted.map(({ digest }) => digest).join(', ')} is being removed at this moment`,
    );
  }

  /** False: one of them is being removed. */
  async function touch(wanted: readonly Spooled[]): Promise<boolean> {
    try {
      return await catalog.write(function* () {
        let all = true;
        for (const blob of wanted) if ((yield* touchBlob(blob, clock.nowMs())) === 'doomed') all = false;
        return all;
      });
    } catch (error) {
      // Rows and bytes often share a disk, and for the caller it is one and the same misfortune.
      if (error instanceof CatalogFullError) throw new StorageFullError(error.message, { cause: error });
      throw error;
    }
  }

  return {
    keep: async (...wanted) => {
      // In one order everywhere, so that no two transactions wait for each other.
      await hold(wanted.toSorted((a, b) => (a.digest < b.digest ? -1 : 1)));
      const outcomes = await Promise.allSettled(wanted.map((blob) => blobs.put(blob)));
      for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    },
  };
}
