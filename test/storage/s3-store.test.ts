import { after } from 'node:test';
import { openBlobStore } from '../../storage/open.ts';
import { PART_BYTES } from '../../storage/s3-upload.ts';
import { blobStoreContract } from '../contracts/blob-store.ts';
import { type S3Engine, startS3 } from '../support/engines.ts';
import { newBucket } from '../support/s3-bucket.ts';
import { startS3Proxy } from '../support/s3-proxy.ts';
import { makeTempDir } from '../support/temp-dir.ts';

/** The contract on one engine: as it is, in parts, with a cache in front, and when the store ignores conditions. */
for (const name of ['versitygw', 's3proxy'] as const) {
  const engine = await startS3(name);
  if (engine.skip !== undefined) {
    blobStoreContract(`the S3 store on ${name}`, () => Promise.reject(new Error(engine.skip)), { skip: engine.skip });
    continue;
  }
  after(() => engine.stop());
  blobStoreContract(`the S3 store on ${name}`, () => make(engine, { cacheBytes: 0 }), { dyingBytes: 100_000 });
  blobStoreContract(`the cached S3 store on ${name}`, () => make(engine, { cacheBytes: 2 ** 30 }), {
    dyingBytes: PART_BYTES + 1_000_000,
  });
  const proxy = await startS3Proxy(engine);
  after(() => proxy.stop());
  proxy.order({ fault: { kind: 'no-conditions' }, when: ({ headers }) => headers['if-none-match'] !== undefined });
  proxy.order({ fault: { kind: 'late' }, when: ({ url }) => url.includes('sha256/') });
  blobStoreContract(`the S3 store on ${name}, slow and without conditions`, async () => {
    const { config: _, ...rest } = await make(
      { ...engine, endpoint: proxy.endpoint },
      { cacheBytes: 0, bucketAt: engine },
    );
    return rest; // to die at every step again would show nothing new
  });
}

async function make(engine: S3Engine, options: { cacheBytes: number; bucketAt?: S3Engine }) {
  const { dir, remove } = await makeTempDir();
  const bucket = await newBucket(options.bucketAt ?? engine, engine.endpoint);
  const config = { ...bucket, cacheBytes: options.cacheBytes };
  const opened: { close(): Promise<void> }[] = [];
  const again = async () => {
    const cacheDir = `${dir}/cache-${opened.length}`;
    const store = await openBlobStore(config, { spoolDir: `${dir}/spool`, cacheDir, minFreeBytes: 0 });
    opened.push(store);
    return store;
  };
  const dispose = async () => {
    await Promise.all(opened.map((store) => store.close()));
    await remove();
  };
  return { store: await again(), again, config, dispose };
}
