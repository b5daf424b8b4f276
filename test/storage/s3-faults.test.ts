import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { after, describe, type TestContext, test } from 'node:test';
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { blobPath } from '../../storage/blob-path.ts';
import { BlobNotFoundError, StorageFullError, StorageUnavailableError } from '../../storage/errors.ts';
import { openBlobStore } from '../../storage/open.ts';
import type { S3Config, S3Patience } from '../../storage/s3-client.ts';
import { StorageMisconfiguredError } from '../../storage/s3-errors.ts';
import { S3Store } from '../../storage/s3-store.ts';
import { PART_BYTES } from '../../storage/s3-upload.ts';
import { type S3Engine, startS3 } from '../support/engines.ts';
import { newBucket, withClient } from '../support/s3-bucket.ts';
import { type S3Proxy, startS3Proxy } from '../support/s3-proxy.ts';
import { sent } from '../support/sent.ts';
import { digestOf, spooled } from '../support/spooled.ts';
import { tempDir } from '../support/temp-dir.ts';

const HASTY: S3Patience = { connectMs: 1000, headMs: 2000, idleMs: 2000, attempts: 1 };
const BYTES = Buffer.alloc(1_000_000, 'some content ');
const ALL = { start: 0, end: BYTES.length - 1 };
const PARTS = Buffer.alloc(PART_BYTES + 100_000, 'in two parts ');

interface Bench {
  readonly dir: string;
  readonly config: S3Config;
  readonly proxy: S3Proxy;
  open(patience?: S3Patience): Promise<S3Store>;
}

for (const name of ['versitygw', 's3proxy'] as const) {
  const engine = await startS3(name);
  describe(`the S3 store on ${name} behind a bad line`, { skip: engine.skip ?? false }, () => {
    if (engine.skip !== undefined) return;
    after(() => engine.stop());
    faults(engine);
  });
}

function faults(engine: S3Engine): void {
  async function bench(t: TestContext): Promise<Bench> {
    const dir = await tempDir(t);
    const proxy = await startS3Proxy(engine);
    t.after(() => proxy.stop());
    const config = await newBucket(engine, proxy.endpoint);
    const open = async (patience?: S3Patience): Promise<S3Store> => {
      const store = await S3Store.open(config, patience ? { patience } : {});
      t.after(() => store.close());
      return store;
    };
    return { dir, config, proxy, open };
  }

  /** What every method that asks the store something fails with. */
  async function failures(store: S3Store): Promise<unknown[]> {
    const digest = digestOf('anything');
    const asked: Promise<unknown>[] = [
      store.stat(digest),
      store.open(digest),
      sent(store, digest, { start: 0, end: 0 }),
      store.list()[Symbol.asyncIterator]().next(),
      store.check(),
    ];
    const settled = await Promise.allSettled(asked);
    return settled.map((one) => (one.status === 'rejected' ? one.reason : 'no failure'));
  }

  test('a store that says SlowDown now and then is asked again', async (t) => {
    const { dir, proxy, open } = await bench(t);
    const store = await open();
    proxy.order({ fault: { kind: 'slow-down' }, when: ({ method }) => method === 'PUT', times: 1 });
    proxy.order({ fault: { kind: 'slow-down' }, when: ({ method }) => method === 'GET', times: 1 });
    const blob = await spooled(dir, BYTES);
    await store.put(blob);
    assert.ok((await sent(store, blob.digest, ALL)).equals(BYTES));
  });

  test('a store that goes on saying SlowDown is unavailable, and nothing is missing', async (t) => {
    const { dir, proxy, open } = await bench(t);
    const store = await open(HASTY);
    proxy.order({ fault: { kind: 'slow-down' } });
    for (const failure of await failures(store)) assert.ok(failure instanceof StorageUnavailableError, String(failure));
    await assert.rejects(store.delete(digestOf('anything')), StorageUnavailableError);
    const blob = await spooled(dir, BYTES);
    await assert.rejects(store.put(blob), StorageUnavailableError);
    assert.equal((await stat(blob.path)).size, BYTES.length, 'the spool is still the caller’s');
    proxy.heal();
    await store.put(blob);
    assert.ok((await sent(store, blob.digest, ALL)).equals(BYTES));
  });

  test('an answer that breaks off is taken up where it ended', async (t) => {
    const { dir, proxy, open } = await bench(t);
    const store = await open(HASTY);
    const blob = await spooled(dir, BYTES);
    await store.put(blob);
    proxy.order({ fault: { kind: 'cut-answer', after: 300_000 }, when: ({ method }) => method === 'GET', times: 2 });
    assert.ok((await sent(store, blob.digest, ALL)).equals(BYTES));
    const ranges = proxy.asked.filter(({ method, url }) => method === 'GET' && url.includes(blob.digest));
    assert.deepEqual(
      ranges.map(({ headers }) => headers.range),
      ['bytes=0-999999', 'bytes=300000-999999', 'bytes=600000-999999'],
    );
  });

  test('an answer that never gets on is a failure, and so is a stream that breaks off', async (t) => {
    const { dir, proxy, open } = await bench(t);
    const store = await open(HASTY);
    const blob = await spooled(dir, BYTES);
    await store.put(blob);
    const get = ({ method }: { method: string }) => method === 'GET';
    proxy.order({ fault: { kind: 'cut-answer', after: 400_000 }, when: get, times: 1 });
    await assert.rejects(buffer(await store.open(blob.digest)));
    proxy.order({ fault: { kind: 'cut-answer', after: 0 }, when: get });
    await assert.rejects(sent(store, blob.digest, ALL), StorageUnavailableError);
  });

  test('a store that falls silent in the middle is given up and asked again', async (t) => {
    const { dir, proxy, open } = await bench(t);
    const store = await open({ ...HASTY, idleMs: 1000 });
    const blob = await spooled(dir, BYTES);
    await store.put(blob);
    proxy.order({ fault: { kind: 'stall', after: 200_000 }, when: ({ method }) => method === 'GET', times: 1 });
    assert.ok((await sent(store, blob.digest, ALL)).equals(BYTES));
  });

  test('a store that says nothing is given up in time, and then only one finds out whether it is back', async (t) => {
    const { dir, proxy, open } = await bench(t);
    const store = await open({ connectMs: 1000, headMs: 1000, idleMs: 20_000, attempts: 4 });
    const blob = await spooled(dir, BYTES);
    await store.put(blob);
    const silent = { kind: 'hold' } as const;
    proxy.order({ fault: silent });
    await assert.rejects(store.begin(blob, ALL), StorageUnavailableError);
    const before = proxy.asked.length;
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => store.begin(blob, ALL)));
    assert.ok(outcomes.every(({ status }) => status === 'rejected'));
    assert.equal(proxy.asked.length, before + 1);
    proxy.heal();
    const begun = await store.begin(blob, ALL);
    begun.close();
    assert.ok((await sent(store, blob.digest, ALL)).equals(BYTES));
  });

  test('a body that the store keeps in part and does not notice is not kept', async (t) => {
    const { dir, proxy, open } = await bench(t);
    const store = await open(HASTY);
    const put = ({ method, url }: { method: string; url: string }) => method === 'PUT' && url.includes('sha256/');
    proxy.order({ fault: { kind: 'short-body', missing: 10 }, when: put, times: 2 });
    const blob = await spooled(dir, BYTES);
    await assert.rejects(store.put(blob), StorageUnavailableError);
    assert.equal(await store.stat(blob.digest), undefined);
    proxy.order({ fault: { kind: 'short-body', missing: 10 }, when: put, times: 1 });
    await store.put(blob);
    assert.ok((await sent(store, blob.digest, ALL)).equals(BYTES));
    const large = await spooled(dir, PARTS);
    proxy.order({ fault: { kind: 'short-body', missing: 10 }, when: ({ url }) => url.includes('partNumber=2') });
    await assert.rejects(store.put(large), StorageUnavailableError);
    assert.equal(await store.stat(large.digest), undefined);
  });

  test('a put whose answer is lost succeeds at the second try', async (t) => {
    const { dir, proxy, open } = await bench(t);
    const store = await open({ ...HASTY, attempts: 3 });
    for (const bytes of [BYTES, PARTS]) {
      const blob = await spooled(dir, bytes);
      proxy.order({ fault: { kind: 'cut', pass: true }, when: ({ method }) => method === 'PUT', times: 1 });
      await store.put(blob);
      assert.ok((await sent(store, blob.digest, { start: 0, end: bytes.length - 1 })).equals(bytes));
    }
  });

  test('another writer of the same key, told by 409, is waited out', async (t) => {
    const { dir, proxy, open } = await bench(t);
    const store = await open(HASTY);
    const conflict = { kind: 'answer', status: 409, code: 'ConditionalRequestConflict' } as const;
    proxy.order({ fault: conflict, when: ({ method }) => method === 'PUT', times: 2 });
    const blob = await spooled(dir, BYTES);
    await store.put(blob);
    assert.deepEqual(await store.stat(blob.digest), { digest: blob.digest, size: BYTES.length });
  });

  test('a full store is full', async (t) => {
    const { dir, proxy, open } = await bench(t);
    const store = await open(HASTY);
    const full = { kind: 'answer', status: 507, code: 'InsufficientStorage' } as const;
    proxy.order({ fault: full, when: ({ method }) => method === 'PUT' });
    await assert.rejects(store.put(await spooled(dir, BYTES)), StorageFullError);
  });

  test('an upload in parts that fails leaves nothing, not even parts', async (t) => {
    const { dir, config, proxy, open } = await bench(t);
    const store = await open(HASTY);
    const denied = { kind: 'answer', status: 500, code: 'InternalError' } as const;
    proxy.order({ fault: denied, when: ({ url }) => url.includes('partNumber=2') });
    const blob = await spooled(dir, PARTS);
    await assert.rejects(store.put(blob), StorageUnavailableError);
    assert.equal(await store.stat(blob.digest), undefined);
    assert.equal(await unfinished(config), 0);
    proxy.heal();
    await store.put(blob);
    assert.ok((await sent(store, blob.digest, { start: 0, end: PARTS.length - 1 })).equals(PARTS));
  });

  test('uploads that a dead process left are swept when they are old, and only ours', async (t) => {
    const { config, open } = await bench(t);
    const store = await open();
    for (const Key of [`${config.prefix}${blobPath(digestOf('left'))}`, 'elsewhere/left']) {
      await withClient(config, (client) =>
        client.send(new CreateMultipartUploadCommand({ Bucket: config.bucket, Key })),
      );
    }
    assert.equal(await store.sweep(Date.now() - 60_000), 0);
    assert.equal(await store.sweep(Date.now() + 60_000), 1);
    assert.equal(await unfinished(config), 1);
  });

  test('a missing bucket, an unknown key and a wrong secret are faults of the settings, never a missing blob', async (t) => {
    const { dir, config, proxy } = await bench(t);
    const wrong: Partial<S3Config>[] = [
      { bucket: 'no-such-bucket' },
      { accessKeyId: 'nobody' },
      { secretAccessKey: 'wrong' },
    ];
    for (const settings of wrong) {
      const broken = { ...config, ...settings };
      const opening = openBlobStore(broken, { spoolDir: dir, minFreeBytes: 0 });
      await assert.rejects(opening, StorageMisconfiguredError);
      proxy.order({ fault: { kind: 'slow-down' }, times: 1 });
      const store = await S3Store.open(broken, { patience: HASTY });
      proxy.heal();
      for (const failure of await failures(store))
        assert.ok(failure instanceof StorageMisconfiguredError, String(failure));
      await assert.rejects(store.put(await spooled(dir, BYTES)), StorageUnavailableError);
      await store.close();
    }
  });

  test('a HEAD answered 404 for another reason than a missing object is looked into', async (t) => {
    const { dir, proxy, open } = await bench(t);
    const store = await open(HASTY);
    const blob = await spooled(dir, BYTES);
    await store.put(blob);
    const head = ({ method }: { method: string }) => method === 'HEAD';
    proxy.order({ fault: { kind: 'answer', status: 404, code: '' }, when: head });
    assert.deepEqual(await store.stat(blob.digest), { digest: blob.digest, size: BYTES.length });
    assert.equal(await store.stat(digestOf('not there')), undefined);
    await assert.rejects(store.open(digestOf('not there')), BlobNotFoundError);
    proxy.order({ fault: { kind: 'answer', status: 404, code: 'XAdminUserNotFound' } });
    await assert.rejects(store.stat(blob.digest), StorageUnavailableError);
    await assert.rejects(store.open(blob.digest), StorageUnavailableError);
  });

  test('a store that is down while we start does not keep us from starting, and is used when it is back', async (t) => {
    const { dir, config, proxy } = await bench(t);
    const warnings: string[] = [];
    proxy.order({ fault: { kind: 'cut', pass: false } });
    const settings = {
      spoolDir: `${dir}/spool`,
      minFreeBytes: 0,
      warn: (message: string) => void warnings.push(message),
    };
    const store = await openBlobStore({ ...config, cacheBytes: 10_000_000 }, settings);
    t.after(() => store.close());
    assert.ok(warnings.includes('looking at the store while starting'));
    await assert.rejects(store.check(), StorageUnavailableError);
    proxy.heal();
    await store.check();
    const blob = await spooled(dir, BYTES);
    await store.put(blob);
    proxy.order({ fault: { kind: 'cut', pass: false } });
    assert.ok((await sent(store, blob.digest, ALL)).equals(BYTES));
  });

  test('a presigned address gives the bytes under the file’s name and type, and only when redirecting is configured', async (t) => {
    const { dir, config, open } = await bench(t);
    const store = await open();
    const blob = await spooled(dir, BYTES);
    await store.put(blob);
    const as = { filename: 'demo-1.0+local-py3-none-any.whl', contentType: 'application/zip' };
    assert.equal(await store.locate(blob.digest, as), undefined);
    const redirecting = await S3Store.open({ ...config, delivery: 'redirect' });
    t.after(() => redirecting.close());
    const url = await redirecting.locate(blob.digest, as);
    assert.ok(url);
    const answer = await fetch(url, { headers: { range: 'bytes=5-11' } });
    assert.equal(answer.status, 206);
    assert.equal(await answer.text(), 'content');
    assert.equal(answer.headers.get('content-type'), as.contentType);
    assert.equal(answer.headers.get('content-disposition'), `attachment; filename="${as.filename}"`);
    const odd = await redirecting.locate(blob.digest, { filename: 'a "b"\r\nc', contentType: 'text/plain' });
    assert.ok(odd);
    const named = await fetch(odd, { headers: { range: 'bytes=0-0' } });
    assert.equal(named.headers.get('content-disposition'), "attachment; filename*=UTF-8''a%20%22b%22%0D%0Ac");
    odd.pathname = odd.pathname.replace(blob.digest, digestOf('another'));
    assert.equal((await fetch(odd)).status, 403);
  });
}

/** Multipart uploads that are neither completed nor aborted. */
async function unfinished(config: S3Config): Promise<number> {
  const command = new ListMultipartUploadsCommand({ Bucket: config.bucket });
  const { Uploads } = await withClient(config, (client) => client.send(command));
  return Uploads?.length ?? 0;
}
