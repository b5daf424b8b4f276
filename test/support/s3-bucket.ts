import { randomUUID } from 'node:crypto';
import { CreateBucketCommand, type S3Client } from '@aws-sdk/client-s3';
import { PATIENCE, type S3Config, s3Client } from '../../storage/s3-client.ts';
import type { S3Engine } from './engines.ts';

/** A new bucket of its own on the engine, as a store's config; `endpoint` for going there through a proxy. */
export async function newBucket(engine: S3Engine, endpoint: string = engine.endpoint): Promise<S3Config> {
  const { accessKeyId, secretAccessKey, region, forcePathStyle } = engine;
  const keys = { accessKeyId, secretAccessKey };
  const bucket = `t-${randomUUID()}`;
  const config: S3Config = {
    kind: 's3',
    bucket,
    endpoint,
    region,
    prefix: 'cellar/',
    forcePathStyle,
    ...keys,
    delivery: 'stream',
  };
  await withClient({ ...config, endpoint: engine.endpoint }, (client) =>
    client.send(new CreateBucketCommand({ Bucket: bucket })),
  );
  return config;
}

/** Asks a bucket's server something that the store does not. */
export async function withClient<T>(config: S3Config, ask: (client: S3Client) => Promise<T>): Promise<T> {
  const client = s3Client(config, PATIENCE);
  try {
    return await ask(client);
  } finally {
    client.destroy();
  }
}
