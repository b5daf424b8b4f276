import type { BlobStore } from './blob-store.ts';
import { DiskStore } from './disk-store.ts';
import type { OnStep } from './durable-folder.ts';

export interface DiskConfig {
  readonly kind: 'disk';
  /** The folder that holds the blobs. */
  readonly dir: string;
}

export type BlobStoreConfig = DiskConfig;

export interface BlobStoreSettings {
  /** Where bytes on their way to or from the store may lie for a while. */
  readonly spoolDir: string;
  /** Bytes of the local file system that are left alone. */
  readonly minFreeBytes: number;
  /** Milliseconds since 1970. The system's clock when left out. */
  readonly nowMs?: () => number;
  readonly onStep?: OnStep;
}

/** Opens the configured store: the only switch over backends. Throws `StorageUnavailableError`. */
export async function openBlobStore(config: BlobStoreConfig, settings: BlobStoreSettings): Promise<BlobStore> {
  return await DiskStore.open(config.dir, settings);
}
