import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, rename, rm, statfs, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { blobPath } from '../../storage/blob-path.ts';
import type { BlobStat } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import { DiskStore } from '../../storage/disk-store.ts';
import { BlobNotFoundError, StorageUnavailableError } from '../../storage/errors.ts';
import { openBlobStore } from '../../storage/open.ts';
import { blobStoreContract } from '../contracts/blob-store.ts';
import { sent } from '../support/sent.ts';
import { digestOf, spooled } from '../support/spooled.ts';
import { makeTempDir, tempDir } from '../support/temp-dir.ts';

const OPTIONS = { minFreeBytes: 0 };
const SHM = '/dev/shm';

blobStoreContract('the disk store', async () => {
  const { dir, remove } = await makeTempDir();
  const config = { kind: 'disk', dir } as const;
  const again = () => openBlobStore(config, { ...OPTIONS, spoolDir: dir });
  return { store: await again(), again, config, dispose: remove };
});

const otherFileSystem = (await statfs(SHM).catch(() => undefined)) !== undefined;
blobStoreContract(
  'the disk store with its spools on another file system',
  async () => {
    const { dir, remove } = await makeTempDir(SHM);
    const config = { kind: 'disk', dir } as const;
    const again = () => openBlobStore(config, { ...OPTIONS, spoolDir: dir });
    return { store: await again(), again, config, dispose: remove };
  },
  { skip: otherFileSystem ? undefined : `no ${SHM} here` },
);

async function everyBlob(store: DiskStore): Promise<BlobStat[]> {
  const blobs: BlobStat[] = [];
  for await (const blob of store.list()) blobs.push(blob);
  return blobs;
}

const sentBy = (store: DiskStore, digest: Digest, end: number): Promise<Buffer> =>
  sent(store, digest, { start: 0, end });

test('a blob lies under its digest, and everything else in the folder is left alone and not listed', async (t) => {
  const dir = await tempDir(t);
  const store = await DiskStore.open(dir, OPTIONS);
  const blob = await spooled(join(dir, 'spool'), 'content');
  await store.put(blob);
  const folder = join(dir, 'sha256', blob.digest.slice(0, 2), blob.digest.slice(2, 4));
  assert.equal((await readFile(join(folder, blob.digest))).toString(), 'content');
  await writeFile(join(folder, 'README'), 'by hand');
  await writeFile(join(folder, `${blob.digest.slice(0, 4)}${'Z'.repeat(60)}`), 'no digest');
  await writeFile(join(folder, digestOf('in the wrong folder')), 'x');
  await mkdir(join(dir, 'sha256', 'lost+found'));
  assert.deepEqual(await everyBlob(store), [{ digest: blob.digest, size: 7 }]);
});

test('a folder that somebody has removed is made again', async (t) => {
  const dir = await tempDir(t);
  const store = await DiskStore.open(dir, { minFreeBytes: 0 });
  const { digest } = await spooled(dir, 'content');
  for (let round = 0; round < 2; round += 1) {
    await store.put(await spooled(dir, 'content'));
    assert.equal((await sent(store, digest, { start: 0, end: 6 })).toString(), 'content');
    await rm(join(dir, 'sha256', digest.slice(0, 2)), { recursive: true });
  }
  await store.close();
});

test('a digest that is none cannot lead out of the folder, nor can a symbolic link', async (t) => {
  const dir = await tempDir(t);
  const store = await DiskStore.open(join(dir, 'store'), OPTIONS);
  const evil = '../../../../etc/passwd' as Digest;
  await assert.rejects(store.open(evil), TypeError);
  await assert.rejects(store.stat(evil), TypeError);
  await assert.rejects(store.delete(evil), TypeError);
  await assert.rejects(sentBy(store, evil, 1), TypeError);
  await writeFile(join(dir, 'secret'), 'secret');
  const digest = digestOf('secret');
  await mkdir(join(dir, 'store', blobPath(digest), '..'), { recursive: true });
  await symlink(join(dir, 'secret'), join(dir, 'store', blobPath(digest)));
  await assert.rejects(store.open(digest), StorageUnavailableError);
  await assert.rejects(sentBy(store, digest, 5), StorageUnavailableError);
  assert.deepEqual(await everyBlob(store), []);
});

test('a store that has lost its folder does not say that a blob is missing', async (t) => {
  const dir = await tempDir(t);
  const root = join(dir, 'store');
  const store = await DiskStore.open(root, OPTIONS);
  const blob = await spooled(dir, 'content');
  await store.put(blob);
  await rename(root, join(dir, 'unmounted'));
  await assert.rejects(store.open(blob.digest), StorageUnavailableError);
  await assert.rejects(store.stat(blob.digest), StorageUnavailableError);
  await assert.rejects(sentBy(store, blob.digest, 6), StorageUnavailableError);
  await assert.rejects(store.check(), StorageUnavailableError);
  await rename(join(dir, 'unmounted'), root);
  await store.check();
  assert.equal((await sentBy(store, blob.digest, 6)).toString(), 'content');
});

test('a small blob is served from memory, a large one from its kept descriptor, until it is deleted', async (t) => {
  const dir = await tempDir(t);
  const store = await DiskStore.open(dir, OPTIONS);
  for (const bytes of [Buffer.from('small'), Buffer.alloc(300_000, 'large')]) {
    const blob = await spooled(dir, bytes);
    await store.put(blob);
    assert.deepEqual(await sentBy(store, blob.digest, blob.size - 1), bytes);
    await rm(join(dir, blobPath(blob.digest)));
    assert.deepEqual(await sentBy(store, blob.digest, blob.size - 1), bytes);
    await assert.rejects(store.open(blob.digest), BlobNotFoundError);
    await store.delete(blob.digest);
    await assert.rejects(sentBy(store, blob.digest, blob.size - 1), BlobNotFoundError);
  }
  await store.close();
});

test('no more memory and descriptors are used than allowed, and blobs are still served', async (t) => {
  const dir = await tempDir(t);
  const store = await DiskStore.open(dir, { ...OPTIONS, memoryBytes: 10, openFiles: 2 });
  const blobs = await Promise.all(Array.from({ length: 8 }, (_, index) => spooled(dir, `blob ${index}`)));
  for (const blob of blobs) await store.put(blob);
  for (let round = 0; round < 2; round++) {
    const sent = await Promise.all(blobs.map((blob) => sentBy(store, blob.digest, blob.size - 1)));
    assert.deepEqual(
      sent.map(String),
      blobs.map((_, index) => `blob ${index}`),
    );
  }
  await store.close();
});

test('a file damaged behind our back is replaced by the next put', async (t) => {
  const dir = await tempDir(t);
  const store = await DiskStore.open(dir, OPTIONS);
  const blob = await spooled(dir, 'content');
  await store.put(blob);
  await sentBy(store, blob.digest, 6);
  await chmod(join(dir, blobPath(blob.digest)), 0o600);
  await writeFile(join(dir, blobPath(blob.digest)), 'con');
  await store.put(await spooled(dir, 'content'));
  assert.equal((await sentBy(store, blob.digest, 6)).toString(), 'content');
  assert.deepEqual(await store.stat(blob.digest), { digest: blob.digest, size: 7 });
});

test('copies that a dead process left a day ago are removed when the store is opened', async (t) => {
  const dir = await tempDir(t);
  await mkdir(join(dir, 'incoming'));
  for (const name of ['old.spool', 'new.spool']) await writeFile(join(dir, 'incoming', name), 'part');
  const day = 24 * 60 * 60;
  const nowMs = 1_700_000_000_000;
  await utimes(join(dir, 'incoming', 'old.spool'), nowMs / 1000, nowMs / 1000 - day - 1);
  await utimes(join(dir, 'incoming', 'new.spool'), nowMs / 1000, nowMs / 1000 - day + 1);
  await DiskStore.open(dir, { ...OPTIONS, nowMs: () => nowMs });
  assert.deepEqual(await readdir(join(dir, 'incoming')), ['new.spool']);
});

test('room is counted down to minFreeBytes and never below nothing', async (t) => {
  const dir = await tempDir(t);
  const free = await (await DiskStore.open(dir, OPTIONS)).spareBytes();
  assert.ok(free > 0 && Number.isSafeInteger(free));
  assert.equal(await (await DiskStore.open(dir, { minFreeBytes: Number.MAX_SAFE_INTEGER })).spareBytes(), 0);
});
