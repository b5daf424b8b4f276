import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { BlobStore, ByteRange } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';

/** What `send` writes. */
export async function sent(store: BlobStore, digest: Digest, range: ByteRange): Promise<Buffer> {
  const out = new PassThrough();
  const received = buffer(out);
  received.catch(() => {}); // when sending fails, that is the error of interest
  await store.send(digest, range, out).catch((error: unknown) => {
    out.destroy();
    throw error;
  });
  out.end();
  return await received;
}
