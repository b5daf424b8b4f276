import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { SpoolLimitError } from '../../storage/errors.ts';
import { fillSpool } from '../../storage/fill-spool.ts';
import { freePiece } from '../../storage/free-piece.ts';
import { Spool } from '../../storage/spool.ts';
import { digestOf } from '../support/spooled.ts';
import { tempDir } from '../support/temp-dir.ts';

const KB = 1024;
const SIZES = [1, 64 * KB, 0, 63 * KB, 256 * KB, 700_001, 17];

/** Copies of `bytes` in pieces of these sizes, over and over; each is freed when the next is asked for. */
async function* freed(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0, count = 0; at < bytes.length; count += 1) {
    const part = bytes.subarray(at, at + (SIZES[count % SIZES.length] ?? 1));
    const piece = Buffer.from(new Uint8Array(part).buffer);
    at += part.length;
    yield piece;
    freePiece(piece);
    assert.equal(piece.length, 0);
  }
}

test('pieces of any size become one file, though each is gone when the next is there', async (t) => {
  const dir = await tempDir(t);
  for (const size of [0, 1, 64 * KB, 256 * KB, 40_000_000]) {
    const bytes = randomBytes(size);
    const spool = await Spool.create(dir, { maxBytes: size });
    const grown: number[] = [];
    await fillSpool(spool, freed(bytes), (now) => grown.push(now));
    const { path, digest } = await spool.finish();
    assert.equal(digest, digestOf(bytes));
    assert.ok((await readFile(path)).equals(bytes));
    assert.equal(grown.at(-1), size === 0 ? undefined : size);
    await spool.discard();
  }
});

test('the source is left as soon as a write has failed, and nothing stays behind', async (t) => {
  const dir = await tempDir(t);
  const spool = await Spool.create(dir, { maxBytes: 1000 });
  let asked = 0;
  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) {
      asked += 1;
      yield Buffer.alloc(300 * KB);
      // As of a socket: what is written meanwhile has its turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  await assert.rejects(fillSpool(spool, endless()), SpoolLimitError);
  assert.ok(asked < 4, `${asked} pieces were asked for`);
  await spool.discard();
  assert.deepEqual(await readdir(dir), []);
});

test('what is told of growth may end it', async (t) => {
  const spool = await Spool.create(await tempDir(t), { maxBytes: 1e9 });
  const full = new Error('no room');
  const told = (size: number): void => {
    if (size > 2_000_000) throw full;
  };
  await assert.rejects(fillSpool(spool, freed(Buffer.alloc(5_000_000)), told), full);
  await spool.discard();
});

test('only what is all of its memory is freed', () => {
  const whole = Buffer.from(new ArrayBuffer(10));
  const part = whole.subarray(1);
  const shared = Buffer.from(new SharedArrayBuffer(10));
  for (const piece of [part, shared]) freePiece(piece);
  assert.deepEqual([part.length, shared.length, whole.length], [9, 10, 10]);
  freePiece(whole);
  assert.deepEqual([part.length, whole.length], [0, 0]);
});
