import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Descriptor } from '../../storage/descriptor.ts';
import { DigestMismatchError, SpoolLimitError } from '../../storage/errors.ts';
import { FolderSyncs } from '../../storage/folder-syncs.ts';
import { Spool } from '../../storage/spool.ts';
import { SpoolHashes } from '../../storage/spool-hashes.ts';
import { SpoolThread } from '../../storage/spool-thread.ts';
import { withSpooled } from '../../storage/with-spooled.ts';
import { digestOf } from '../support/spooled.ts';
import { tempDir } from '../support/temp-dir.ts';

const MB = 1024 * 1024;

function shared(bytes: Buffer): Buffer {
  const copy = Buffer.from(new SharedArrayBuffer(bytes.length));
  bytes.copy(copy);
  return copy;
}

async function blake2bOf(bytes: Buffer): Promise<string | undefined> {
  const hashes = await SpoolHashes.create(['blake2b-256']);
  hashes.update(bytes);
  return hashes.finish().extra['blake2b-256'];
}

test('a large spool is written as a small one is: in pieces of any size, of memory of any kind', async (t) => {
  const dir = await tempDir(t);
  const bytes = randomBytes(5 * MB + 17);
  const spool = await Spool.create(dir, { maxBytes: 10 * MB, extraHash: ['md5', 'blake2b-256'] });
  const out = new PassThrough();
  const following = spool.send(undefined, out).finally(() => out.end());
  const received = buffer(out);
  const sizes = [1, 300_000, 2 * MB, 0, 70_000, 1];
  let at = 0;
  for (let piece = 0; at < bytes.length; piece += 1) {
    const part = bytes.subarray(at, at + (sizes[piece % sizes.length] ?? 1));
    await spool.write(piece % 2 === 0 ? part : shared(part));
    at += part.length;
  }
  const done = await spool.finish(digestOf(bytes));
  assert.equal(done.size, bytes.length);
  assert.ok((await readFile(done.path)).equals(bytes));
  assert.equal(spool.hashes.md5, createHash('md5').update(bytes).digest('hex'));
  assert.equal(spool.hashes['blake2b-256'], await blake2bOf(bytes));
  await following;
  assert.ok((await received).equals(bytes));
});

test('a spool of which much or little is expected is what comes, be it more or less', async (t) => {
  const dir = await tempDir(t);
  // From then on the thread is there, and takes a file that will be large from its first byte.
  await withSpooled(dir, Buffer.from('few'), ({ path }) => rm(path));
  for (const expectedBytes of [3 * MB, 100, undefined]) {
    for (const length of [0, 70_000, 2 * MB + 1]) {
      const bytes = randomBytes(length);
      const spool = await Spool.create(dir, { maxBytes: 10 * MB, expectedBytes });
      for (let at = 0; at < length; at += 60_000) await spool.write(bytes.subarray(at, at + 60_000));
      const done = await spool.finish(digestOf(bytes));
      assert.equal(done.size, length);
      assert.ok((await readFile(done.path)).equals(bytes));
    }
  }
});

test('a large spool with other bytes than announced is discarded, one that is given up as well', async (t) => {
  const dir = await tempDir(t);
  const options = { maxBytes: 10 * MB };
  const wrong = await Spool.create(dir, options);
  await wrong.write(randomBytes(2 * MB));
  await assert.rejects(wrong.finish(digestOf('something else')), DigestMismatchError);
  const givenUp = await Spool.create(dir, options);
  const writing = givenUp.write(randomBytes(2 * MB));
  await turn();
  await givenUp.discard();
  await writing;
  await assert.rejects(givenUp.finish());
  assert.deepEqual(await readdir(dir), []);
});

test('pieces that are given one after the other without waiting are one file, whose size grows without a gap', async (t) => {
  const bytes = randomBytes(6 * MB);
  const spool = await Spool.create(await tempDir(t), { maxBytes: 10 * MB, extraHash: ['md5', 'blake2b-256'] });
  const sizes: number[] = [];
  const writes: Promise<void>[] = [];
  const lengths = [10, 400_000, 100, 250_000, 70_000];
  for (let at = 0, piece = 0; at < bytes.length; piece += 1) {
    const part = bytes.subarray(at, at + (lengths[piece % lengths.length] ?? 1));
    at += part.length;
    writes.push(spool.write(piece % 3 === 0 ? part : shared(part)).then(() => void sizes.push(spool.size)));
  }
  const { digest, path } = await spool.finish();
  await Promise.all(writes);
  assert.equal(digest, digestOf(bytes));
  assert.ok((await readFile(path)).equals(bytes));
  assert.equal(spool.hashes.md5, createHash('md5').update(bytes).digest('hex'));
  assert.equal(spool.hashes['blake2b-256'], await blake2bOf(bytes));
  assert.deepEqual(
    sizes,
    [...sizes].sort((a, b) => a - b),
  );
});

test('of pieces that are given at once, those behind one that is too much fail as it does', async (t) => {
  const dir = await tempDir(t);
  const spool = await Spool.create(dir, { maxBytes: 3 * MB });
  const outcomes = await Promise.allSettled([2, 2, 0.5].map((size) => spool.write(shared(randomBytes(size * MB)))));
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected'],
  );
  for (const outcome of outcomes.slice(1)) {
    assert.ok(outcome.status === 'rejected' && outcome.reason instanceof SpoolLimitError);
  }
  assert.equal(spool.size, 2 * MB);
  await assert.rejects(spool.finish(), SpoolLimitError);
  assert.deepEqual(await readdir(dir), []);
});

test('hashes of what another thread writes are computed beside it; what fails there is told', async (t) => {
  const path = join(await tempDir(t), 'file');
  const file = await Descriptor.open(path, constants.O_RDWR | constants.O_CREAT);
  t.after(() => file.release());
  await file.write(Buffer.from('one '), 0);
  const thread = new SpoolThread();
  const hashes = await thread.hash(file.fd, 4, ['md5']);
  await Promise.all([hashes.update(shared(Buffer.from('two '))), hashes.update(shared(Buffer.from('three')))]);
  assert.deepEqual(await hashes.finish(), { md5: createHash('md5').update('one two three').digest('hex') });
  await assert.rejects(hashes.update(shared(Buffer.from('late'))), /before it was begun/);
  await assert.rejects(thread.hash(file.fd, 5, ['md5']), /shorter/);
  const lost = await thread.hash(file.fd, 4, ['md5']);
  const waiting = [assert.rejects(lost.update(shared(Buffer.from('a')))), assert.rejects(lost.finish())];
  await thread.close();
  await Promise.all(waiting);
});

test('what the file system refuses comes back with its code, and a thread that ends fails who waits and is replaced', async (t) => {
  const path = join(await tempDir(t), 'file');
  const file = await Descriptor.open(path, constants.O_RDWR | constants.O_CREAT);
  const readable = await Descriptor.open(path, constants.O_RDONLY);
  t.after(() => {
    file.release();
    readable.release();
  });
  const thread = new SpoolThread();
  const refused = await thread.begin(readable.fd, 0, []);
  await assert.rejects(refused.append(shared(Buffer.from('x')), 0), { code: 'EBADF' });
  await assert.rejects(thread.begin(file.fd, 10, []), /shorter/);

  assert.equal(thread.isRunning, true);

  const lost = await thread.begin(file.fd, 0, []);
  const waiting = assert.rejects(lost.append(shared(Buffer.from('lost')), 0));
  await thread.close();
  await waiting;
  await assert.rejects(lost.finish(), /has ended/);
  assert.equal(thread.isRunning, false);

  const next = await thread.begin(file.fd, 0, []);
  await next.append(shared(Buffer.from('next')), 0);
  assert.equal((await next.finish()).digest, digestOf('next'));
  await thread.close();
});

test('a file of few bytes is written and named by the thread, its folders made; what is refused leaves nothing behind', async (t) => {
  const dir = await tempDir(t);
  const thread = new SpoolThread();
  t.after(() => thread.close());
  const from = join(dir, 'not', 'there', 'a.spool');
  assert.equal((await thread.write(from, Buffer.from('few'))).digest, digestOf('few'));
  await assert.rejects(thread.write(from, Buffer.from('again')), { code: 'EEXIST' });
  const folder = thread.folder(join(dir, 'blobs'));
  await assert.rejects(folder.take({ from, path: 'x/y/name', size: 4 }), /3 bytes instead of 4/);
  await folder.take({ from, path: 'x/y/name', size: 3 });
  assert.equal(await readFile(join(dir, 'blobs', 'x', 'y', 'name'), 'utf8'), 'few');
  await assert.rejects(folder.take({ from, path: 'x/y/name', size: 3 }), { code: 'ENOENT' });
  assert.deepEqual(await readdir(join(dir, 'not', 'there')), []);
});

test('names that are added to a folder together are synced together, and each of them is', async (t) => {
  const dir = await tempDir(t);
  const syncs = new FolderSyncs();
  const first = syncs.sync(dir);
  const second = syncs.sync(dir);
  // The first has begun and may miss what came after it; who waits shares one.
  assert.notEqual(first, second);
  assert.equal(syncs.sync(dir), second);
  await Promise.all([first, second]);
  const fresh = syncs.sync(dir);
  assert.notEqual(fresh, second);
  await fresh;
  await assert.rejects(syncs.sync(join(dir, 'absent')), { code: 'ENOENT' });
  await assert.rejects(syncs.sync(join(dir, 'absent')), { code: 'ENOENT' });
});

test('bytes at hand become a spool for as long as it takes: who fails with it leaves none', async (t) => {
  const dir = join(await tempDir(t), 'spools');
  const path = await withSpooled(dir, Buffer.from('few'), async (spooled) => {
    assert.deepEqual(spooled, { digest: digestOf('few'), size: 3, path: spooled.path });
    return spooled.path;
  });
  assert.equal(await readFile(path, 'utf8'), 'few');
  await rm(path);
  await assert.rejects(
    withSpooled(dir, Buffer.from('few'), async () => {
      throw new Error('not today');
    }),
    /not today/,
  );
  assert.deepEqual(await readdir(dir), []);
});
