import type { Spooled } from '../storage/blob-store.ts';

/** The one door by which bytes become blobs, so that garbage collection and writers never meet over one digest. */
export interface BlobKeeper {
  /**
   * Makes the spooled bytes durable, all of them at once, takes their files, and keeps garbage collection away from them for longer than any
   * writer needs to add the rows that name them (a day). When it throws, none of them is under way any more; some may be kept.
   * Throws `StorageFullError`, `StorageUnavailableError`.
   */
  keep(...blobs: readonly Spooled[]): Promise<void>;
}
