import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Spooled } from '../../storage/blob-store.ts';
import { type Digest, parseDigest } from '../../storage/digest.ts';
import { Spool } from '../../storage/spool.ts';

/** The digest of `bytes`. */
export function digestOf(bytes: Uint8Array | string): Digest {
  const digest = parseDigest(createHash('sha256').update(bytes).digest('hex'));
  assert.ok(digest);
  return digest;
}

/** `bytes` as a finished spool in `dir`, ready for `BlobStore.put`. */
export async function spooled(dir: string, bytes: Uint8Array | string): Promise<Spooled> {
  const spool = await Spool.create(dir, { maxBytes: Number.POSITIVE_INFINITY });
  await spool.write(Buffer.from(bytes));
  return await spool.finish();
}
