import assert from 'node:assert/strict';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { blobPath } from '../../storage/blob-path.ts';
import { CachedStore, type RemoteStore } from '../../storage/cached-store.ts';
import type { Digest } from '../../storage/digest.ts';
import { DiskStore } from '../../storage/disk-store.ts';
import { BlobNotFoundError, DigestMismatchError, StorageUnavailableError } from '../../storage/errors.ts';
import { blobStoreContract } from '../contracts/blob-store.ts';
import { type Fault, failUntilHealed, faulty } from '../support/faulty.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { sent } from '../support/sent.ts';
import { digestOf, spooled } from '../support/spooled.ts';
import { makeTempDir, tempDir } from '../support/temp-dir.ts';

interface Bench {
  readonly dir: string;
  readonly remote: MemoryStore;
  readonly warnings: string[];
  open(faults?: { readonly [K in keyof RemoteStore]?: Fault }, maxBytes?: number): Promise<CachedStore>;
}

async function bench(t: TestContext): Promise<Bench> {
  const dir = await tempDir(t);
  const remote = new MemoryStore();
  const warnings: string[] = [];
  const open: Bench['open'] = async (faults = {}, maxBytes = 1_000_000) => {
    const local = await DiskStore.open(join(dir, 'cache'), { minFreeBytes: 0, memoryBytes: 0 });
    const warn = (message: string, error: unknown): void => void warnings.push(`${message}: ${String(error)}`);
    const store = new CachedStore(faulty<RemoteStore>(remote, faults), {
      local,
      maxBytes,
      spoolDir: join(dir, 'spool'),
      warn,
    });
    await store.idle();
    return store;
  };
  return { dir, remote, warnings, open };
}

const whole = (bytes: Buffer) => ({ start: 0, end: bytes.length - 1 });
const gone = () => failUntilHealed(new StorageUnavailableError('gone'));

async function copies(dir: string): Promise<string[]> {
  const names = await readdir(join(dir, 'cache'), { recursive: true });
  return names.filter((name) => /[0-9a-f]{64}$/.test(name)).map((name) => name.slice(-64));
}

blobStoreContract('the cached store', async () => {
  const { dir, remove } = await makeTempDir();
  const local = await DiskStore.open(join(dir, 'cache'), { minFreeBytes: 0 });
  const spoolDir = join(dir, 'spool');
  const store = new CachedStore(new MemoryStore(), { local, maxBytes: 10_000_000, spoolDir, warn: assert.ifError });
  return { store, dispose: () => store.close().then(remove) };
});

test('what was stored here goes on being served when the remote is gone; what was not is unavailable, not missing', async (t) => {
  const { dir, remote, open } = await bench(t);
  const elsewhere = await spooled(dir, 'stored by another node');
  await remote.put(elsewhere);
  const failing = gone();
  const store = await open({ send: failing, begin: failing, stat: failing, open: failing, check: failing });
  const blob = await spooled(dir, 'stored here');
  await store.put(blob);
  await store.put(await spooled(dir, 'stored here'));
  await store.idle();
  assert.equal((await sent(store, blob.digest, { start: 7, end: 10 })).toString(), 'here');
  assert.equal((await buffer(await store.open(blob.digest))).toString(), 'stored here');
  for (let round = 0; round < 3; round++) {
    await assert.rejects(sent(store, elsewhere.digest, { start: 0, end: 21 }), StorageUnavailableError);
  }
  await assert.rejects(store.open(elsewhere.digest), StorageUnavailableError);
  await assert.rejects(store.stat(blob.digest), StorageUnavailableError);
  await assert.rejects(store.check(), StorageUnavailableError);
  failing.heal();
  await sent(store, elsewhere.digest, { start: 0, end: 21 });
  await store.close();
});

test('what is asked for a second time is copied once, however many ask, and then served from here', async (t) => {
  const { dir, remote, open } = await bench(t);
  const bytes = Buffer.alloc(200_000, 'hot ');
  const blob = await spooled(dir, bytes);
  await remote.put(blob);
  let fetched = 0;
  const store = await open({ send: () => void fetched++, begin: () => void fetched++ });
  const bodies = await Promise.all(Array.from({ length: 20 }, () => sent(store, blob.digest, whole(bytes))));
  for (const body of bodies) assert.ok(body.equals(bytes));
  assert.equal(fetched, 2);
  await store.idle();
  assert.deepEqual(await copies(dir), [blob.digest]);
  assert.ok((await sent(store, blob.digest, whole(bytes))).equals(bytes));
  assert.equal(fetched, 2);
  assert.deepEqual(await readdir(join(dir, 'spool')), []);
  await store.close();
});

test('who has begun gets the bytes, though the copy under way is finished, or is removed, before they are sent', async (t) => {
  const { dir, remote, open } = await bench(t);
  const bytes = Buffer.alloc(200_000, 'hot ');
  const blob = await spooled(dir, bytes);
  await remote.put(blob);
  const store = await open();
  await sent(store, blob.digest, whole(bytes));
  const following = await store.begin(blob, whole(bytes));
  await store.idle();
  const copied = await store.begin(blob, whole(bytes));
  await store.delete(blob.digest);
  await rm(join(dir, 'cache'), { recursive: true });
  for (const begun of [following, copied]) {
    const out = new PassThrough();
    const received = buffer(out);
    await begun.send(out);
    out.end();
    assert.ok((await received).equals(bytes));
  }
  await store.close();
});

test('the copies never take more room than allowed, and the least used go first', async (t) => {
  const { dir, open } = await bench(t);
  const store = await open({}, 1000);
  const digests: Digest[] = [];
  for (let index = 0; index < 12; index++) {
    const blob = await spooled(dir, `${index}`.padStart(200, ' '));
    digests.push(blob.digest);
    await store.put(blob);
    await sent(store, digestOf('0'.padStart(200, ' ')), { start: 0, end: 1 });
  }
  await store.put(await spooled(dir, Buffer.alloc(251)));
  await store.idle();
  const kept = await copies(dir);
  assert.deepEqual(kept.toSorted(), [digests[0], ...digests.slice(-4)].toSorted());
  await store.close();
});

test('a range does not wait for a copy of everything before it', async (t) => {
  const { dir, remote, open } = await bench(t);
  const blob = await spooled(dir, Buffer.alloc(50_000, 'ab'));
  await remote.put(blob);
  const store = await open();
  for (let round = 0; round < 4; round++) {
    assert.equal((await sent(store, blob.digest, { start: 49_998, end: 49_999 })).toString(), 'ab');
    assert.equal((await sent(store, blob.digest, { start: 0, end: 1 })).toString(), 'ab');
  }
  await store.idle();
  assert.deepEqual(await copies(dir), []);
  await store.close();
});

test('bytes that are not those of the digest are not copied, and no reader gets them whole', async (t) => {
  const { dir, remote, open, warnings } = await bench(t);
  const good = Buffer.from('good bytes');
  const evil = await spooled(dir, 'evil bytes');
  await remote.put({ ...evil, digest: digestOf(good) });
  const store = await open();
  await sent(store, digestOf(good), whole(good));
  const out = new PassThrough();
  await assert.rejects(store.send(digestOf(good), whole(good), out), DigestMismatchError);
  assert.ok(out.readableLength < good.length);
  await store.idle();
  assert.deepEqual(await copies(dir), []);
  assert.match(warnings.join(), /keeping a local copy/);
  assert.deepEqual(await readdir(join(dir, 'spool')), []);
  await store.close();
});

test('copies are found again after a restart, and a copy that vanished is fetched', async (t) => {
  const { dir, open } = await bench(t);
  const first = await open();
  const blob = await spooled(dir, 'kept');
  await first.put(blob);
  await first.close();
  let fetched = 0;
  const second = await open({ send: () => void fetched++, begin: () => void fetched++ });
  assert.equal((await sent(second, blob.digest, { start: 0, end: 3 })).toString(), 'kept');
  assert.equal(fetched, 0);
  await second.close();
  const third = await open({ send: () => void fetched++, begin: () => void fetched++ });
  await rm(join(dir, 'cache', blobPath(blob.digest)));
  assert.equal((await sent(third, blob.digest, { start: 0, end: 3 })).toString(), 'kept');
  assert.equal(fetched, 1);
  await third.close();
});

test('a deleted blob is not served from its copy', async (t) => {
  const { dir, open } = await bench(t);
  const store = await open();
  const blob = await spooled(dir, 'to be deleted');
  await store.put(blob);
  await store.delete(blob.digest);
  await assert.rejects(sent(store, blob.digest, { start: 0, end: 3 }), BlobNotFoundError);
  await assert.rejects(sent(store, blob.digest, { start: 0, end: 3 }), BlobNotFoundError);
  await store.idle();
  assert.deepEqual(await copies(dir), []);
  await store.close();
});

test('with no room on this machine nothing is copied, and everything comes from the remote', async (t) => {
  const { dir, remote } = await bench(t);
  const local = await DiskStore.open(join(dir, 'cache'), { minFreeBytes: Number.MAX_SAFE_INTEGER });
  const spoolDir = join(dir, 'spool');
  const store = new CachedStore(remote, { local, maxBytes: 1000, spoolDir, warn: assert.ifError });
  const blob = await spooled(spoolDir, 'stored');
  await store.put(blob);
  for (let round = 0; round < 3; round++) {
    assert.equal((await sent(store, blob.digest, { start: 0, end: 5 })).toString(), 'stored');
  }
  assert.equal(await store.spareBytes(), 0);
  assert.deepEqual([await copies(dir), await readdir(spoolDir)], [[], []]);
  await store.close();
});
