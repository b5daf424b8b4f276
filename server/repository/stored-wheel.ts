import { createHash } from 'node:crypto';
import type { BlobStat, BlobStore } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import { BlobNotFoundError, DigestMismatchError } from '../../storage/errors.ts';
import { Spool } from '../../storage/spool.ts';
import { withSpooled } from '../../storage/with-spooled.ts';
import type { BlobKeeper } from '../blob-keeper.ts';
import { extractWheelMetadata, WheelMetadataError } from '../wheel-metadata.ts';

/** Where wheels are, and where what is taken out of them goes. */
export interface WheelParts {
  readonly blobs: BlobStore;
  readonly keeper: BlobKeeper;
  readonly spoolDir: string;
}

/** A wheel whose bytes are stored. */
export interface StoredWheel extends BlobStat {
  readonly filename: string;
}

/** The core metadata in a stored wheel. Throws `WheelMetadataError`, `BlobNotFoundError`, `DigestMismatchError`, `StorageFullError`. */
export async function metadataOfStored(wheel: StoredWheel, { blobs, spoolDir }: WheelParts): Promise<Buffer> {
  const spool = await Spool.create(spoolDir, { maxBytes: wheel.size });
  try {
    for await (const chunk of await blobs.open(wheel.digest)) await spool.write(chunk as Buffer);
    const { path } = await spool.finish(wheel.digest);
    return await extractWheelMetadata(path, wheel.filename);
  } finally {
    await spool.discard();
  }
}

/**
 * Stores core metadata again that the store has lost, out of their wheel. False: what the wheel has is not what was kept, or the
 * wheel is lost as well. Throws `StorageFullError`, `StorageUnavailableError`.
 */
export async function restoreMetadata(wheel: StoredWheel, lost: Digest, parts: WheelParts): Promise<boolean> {
  let bytes: Buffer;
  try {
    bytes = await metadataOfStored(wheel, parts);
  } catch (error) {
    const isGone = error instanceof BlobNotFoundError || error instanceof DigestMismatchError;
    if (error instanceof WheelMetadataError || isGone) return false;
    throw error;
  }
  if (createHash('sha256').update(bytes).digest('hex') !== lost) return false;
  await withSpooled(parts.spoolDir, bytes, (spooled) => parts.keeper.keep(spooled));
  return true;
}
