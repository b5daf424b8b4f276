import { join } from 'node:path';
import type { BlobStore } from './blob-store.ts';
import { CachedStore, type Warn } from './cached-store.ts';
import { DiskStore } from './disk-store.ts';
import type { OnStep } from './durable-folder.ts';
import type { S3Config } from './s3-client.ts';

interface DiskConfig {
  readonly kind: 'disk';
  /** The folder that holds the blobs. */
  readonly dir: string;
}

export type BlobStoreConfig = DiskConfig | S3Config;

export interface BlobStoreSettings {
  /** Where bytes on their way to or from the store lie for a while. */
  readonly spoolDir: string;
  /** Bytes of the local file system that are left alone. */
  readonly minFreeBytes: number;
  /** Memory for small blobs that are served often; 32 MiB when left out. */
  readonly memoryBytes?: number;
  /** The folder of local copies of a store far away; beside `spoolDir` when left out. */
  readonly cacheDir?: string;
  /** Told of failures that no caller sees: of copying, of sweeping, of a store that is down while we start. */
  readonly warn?: Warn;
  /** Milliseconds since 1970. The system's clock when left out. */
  readonly nowMs?: () => number;
  readonly onStep?: OnStep;
}

export interface OpenedBlobStore extends BlobStore {
  /** Ends the store's own work and lets go of files and connections. Nothing may be asked of it afterwards. */
  close(): Promise<void>;
}

/**
 * Opens the configured store: the only switch over backends. Throws `StorageUnavailableError` when a folder cannot be used, and
 * `StorageMisconfiguredError` when the bucket is missing or the credentials are wrong. A store far away that does not answer
 * is opened all the same: copies can be served, and it may come back.
 */
export async function openBlobStore(config: BlobStoreConfig, settings: BlobStoreSettings): Promise<OpenedBlobStore> {
  if (config.kind === 'disk') return await DiskStore.open(config.dir, settings);
  // The SDK takes a third of a second to load.
  const { S3Store } = await import('./s3-store.ts');
  const remote = await S3Store.open(config, settings);
  const maxBytes = config.cacheBytes ?? 0;
  if (maxBytes === 0) return remote;
  const local = await DiskStore.open(settings.cacheDir ?? join(settings.spoolDir, '..', 'cache'), settings);
  return new CachedStore(remote, { local, maxBytes, spoolDir: settings.spoolDir, warn: settings.warn ?? (() => {}) });
}
