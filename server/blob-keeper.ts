import type { Spooled } from '../storage/blob-store.ts';

/** The one door by which bytes become blobs, so that garbage collection and writers never meet over one digest. */
export interface BlobKeeper {
  /**
   * Makes the spooled bytes durable, takes their file, and keeps garbage collection away from them for longer than any writer
   * needs to add the row that names them (a day). Throws `StorageFullError`, `StorageUnavailableError`.
   */
  keep(blob: Spooled): Promise<void>;
}
