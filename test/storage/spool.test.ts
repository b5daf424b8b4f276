import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, readlink, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { type Digest, parseDigest } from '../../storage/digest.ts';
import { DigestMismatchError, SpoolGoneError, SpoolLimitError } from '../../storage/errors.ts';
import { Spool, sweepSpools } from '../../storage/spool.ts';
import { tempDir } from '../support/temp-dir.ts';

const GENEROUS = { maxBytes: 2 ** 30 };

function digestOf(bytes: Uint8Array): Digest {
  const digest = parseDigest(createHash('sha256').update(bytes).digest('hex'));
  assert.ok(digest);
  return digest;
}

/** Collects what it is sent and takes the next chunk only when `pull` is called. */
function stubborn(): { out: Writable; taken: Buffer[]; pull: () => void } {
  const taken: Buffer[] = [];
  const waiting: (() => void)[] = [];
  const out = new Writable({
    highWaterMark: 1,
    write(chunk: Buffer, _encoding, callback) {
      taken.push(Buffer.from(chunk));
      waiting.push(callback);
    },
  });
  return { out, taken, pull: () => waiting.shift()?.() };
}

test('what is written in order is what the finished file holds, with its digest and hashes', async (t) => {
  const dir = join(await tempDir(t), 'not', 'there', 'yet');
  const spool = await Spool.create(dir, { ...GENEROUS, extraHash: ['md5', 'blake2b-256'] });
  const bytes = randomBytes(700_000);
  await Promise.all([
    spool.write(bytes.subarray(0, 10)),
    spool.write(bytes.subarray(10, 600_000)),
    spool.write(bytes.subarray(600_000)),
  ]);
  const done = await spool.finish(digestOf(bytes));
  assert.deepEqual(done, { digest: digestOf(bytes), size: 700_000, path: spool.path });
  assert.deepEqual(await readFile(done.path), bytes);
  assert.equal(spool.hashes.md5, createHash('md5').update(bytes).digest('hex'));
  assert.match(spool.hashes['blake2b-256'] ?? '', /^[0-9a-f]{64}$/);
});

test('BLAKE2b with 256 bits is that of RFC 7693, of nothing', async (t) => {
  const spool = await Spool.create(await tempDir(t), { ...GENEROUS, extraHash: ['blake2b-256'] });
  await spool.finish();
  assert.equal(spool.hashes['blake2b-256'], '0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8');
});

test('a wrong digest discards the file, and no follower has seen the last byte', async (t) => {
  const dir = await tempDir(t);
  const spool = await Spool.create(dir, GENEROUS);
  const { out, taken, pull } = stubborn();
  const following = spool.send(undefined, out);
  await spool.write(Buffer.from('evil bytes'));
  // Reading happens in another thread: what it has read must be there to be taken.
  while (taken.length === 0) await new Promise(setImmediate);
  const failed = assert.rejects(following, DigestMismatchError);
  await assert.rejects(spool.finish(digestOf(Buffer.from('good bytes'))), DigestMismatchError);
  pull();
  await failed;
  assert.ok(Buffer.concat(taken).length < 10);
  assert.deepEqual(await readdir(dir), []);
});

test('followers read while it grows, at their own speed, and after the file is moved or gone', async (t) => {
  const dir = await tempDir(t);
  const spool = await Spool.create(dir, GENEROUS);
  const bytes = randomBytes(1_500_000);
  const early = buffer(spool.follow());
  const sent = new PassThrough();
  const sending = spool.send(undefined, sent).then(() => sent.end());
  const received = buffer(sent);
  const slow = stubborn();
  const slowly = spool.send({ start: 5 }, slow.out);
  for (let at = 0; at < bytes.length; at += 100_000) await spool.write(bytes.subarray(at, at + 100_000));
  const letGo = spool.hold();
  const done = await spool.finish(digestOf(bytes));
  await rename(done.path, join(dir, 'moved'));
  await unlink(join(dir, 'moved'));
  const late = buffer(spool.follow());
  letGo();
  assert.deepEqual(await early, bytes);
  assert.deepEqual(await late, bytes);
  await sending;
  assert.deepEqual(await received, bytes);
  let open = true;
  void slowly.then(() => {
    open = false;
  });
  while (open) {
    slow.pull();
    await new Promise(setImmediate);
  }
  assert.deepEqual(Buffer.concat(slow.taken), bytes.subarray(5));
  assert.throws(() => spool.follow(), SpoolGoneError);
});

test('a range is served from its first to its last byte, without waiting for what lies after it', async (t) => {
  const spool = await Spool.create(await tempDir(t), GENEROUS);
  const middle = buffer(spool.follow({ start: 2, end: 4 }));
  const tail = buffer(spool.follow({ start: 7 }));
  const beyond = buffer(spool.follow({ start: 50, end: 60 }));
  await spool.write(Buffer.from('0123456'));
  assert.equal((await middle).toString(), '234');
  await spool.write(Buffer.from('789'));
  await spool.finish();
  assert.equal((await tail).toString(), '789');
  assert.equal((await beyond).length, 0);
});

test('a follower whose client leaves settles at once, while it waits and while it writes', async (t) => {
  const spool = await Spool.create(await tempDir(t), GENEROUS);
  const waiting = new PassThrough();
  const first = spool.send(undefined, waiting);
  waiting.destroy();
  await first;
  await spool.write(Buffer.from('bytes'));
  const writing = stubborn();
  const second = spool.send(undefined, writing.out);
  while (writing.taken.length === 0) await new Promise(setImmediate);
  writing.out.destroy();
  await second;
  const stream = spool.follow();
  stream.destroy();
  await spool.discard();
});

test('a sink that fails makes send reject with its error', async (t) => {
  const spool = await Spool.create(await tempDir(t), GENEROUS);
  await spool.write(Buffer.from('bytes'));
  const out = new Writable({ write: (_chunk, _encoding, callback) => callback(new Error('disk on fire')) });
  await assert.rejects(spool.send(undefined, out), /disk on fire/);
  await spool.discard();
});

test('discarding fails the followers with the reason and removes the file', async (t) => {
  const dir = await tempDir(t);
  const spool = await Spool.create(dir, GENEROUS);
  await spool.write(Buffer.from('half'));
  const sending = spool.send(undefined, new PassThrough());
  const following = buffer(spool.follow());
  const outcome = Promise.all([assert.rejects(sending, /upstream cut/), assert.rejects(following, /upstream cut/)]);
  await spool.discard(new Error('upstream cut the line'));
  await outcome;
  await spool.discard();
  assert.deepEqual(await readdir(dir), []);
  await assert.rejects(spool.write(Buffer.from('more')), /upstream cut/);
  await assert.rejects(spool.finish(), /upstream cut/);
});

test('discarding a finished spool removes the file and lets readers go on', async (t) => {
  const dir = await tempDir(t);
  const spool = await Spool.create(dir, GENEROUS);
  await spool.write(Buffer.from('all of it'));
  const reader = spool.follow();
  await spool.finish();
  await spool.discard(new Error('no room'));
  assert.equal((await buffer(reader)).toString(), 'all of it');
  assert.deepEqual(await readdir(dir), []);
});

test('more than maxBytes is refused, and nothing of the chunk is kept', async (t) => {
  const dir = await tempDir(t);
  const spool = await Spool.create(dir, { maxBytes: 10 });
  await spool.write(Buffer.alloc(10));
  await assert.rejects(spool.write(Buffer.alloc(1)), SpoolLimitError);
  await assert.rejects(spool.finish(), SpoolLimitError);
  assert.deepEqual(await readdir(dir), []);
});

test('finishing twice is refused and leaves the file', async (t) => {
  const dir = await tempDir(t);
  const spool = await Spool.create(dir, GENEROUS);
  await spool.finish();
  await assert.rejects(spool.finish(), SpoolGoneError);
  await assert.rejects(spool.write(Buffer.from('x')), SpoolGoneError);
  assert.equal((await readdir(dir)).length, 1);
});

async function openBelow(dir: string): Promise<readonly string[]> {
  const fds = await readdir('/proc/self/fd');
  const targets = await Promise.all(fds.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return targets.filter((target) => target.startsWith(dir));
}

test('no descriptor is left open', { skip: !existsSync('/proc/self/fd'), timeout: 20_000 }, async (t) => {
  const dir = await tempDir(t);
  for (let round = 0; round < 5; round++) {
    const spool = await Spool.create(dir, GENEROUS);
    const reader = buffer(spool.follow());
    const gone = new PassThrough();
    const sending = spool.send(undefined, gone);
    await spool.write(Buffer.from('some bytes'));
    gone.destroy();
    await spool.finish();
    await Promise.all([reader, sending]);
  }
  // Descriptors are closed in other threads, at their pace; one that stays open lets the test run into its time limit.
  while ((await openBelow(dir)).length > 0) await new Promise(setImmediate);
});

test('sweeping removes spools, old ones only when told so, and nothing else', async (t) => {
  const dir = await tempDir(t);
  await Spool.create(dir, GENEROUS);
  await writeFile(join(dir, 'keep.me'), '');
  assert.equal(await sweepSpools(dir, 1000), 0);
  assert.equal(await sweepSpools(dir), 1);
  assert.deepEqual(await readdir(dir), ['keep.me']);
  assert.equal(await sweepSpools(join(dir, 'nowhere')), 0);
});
