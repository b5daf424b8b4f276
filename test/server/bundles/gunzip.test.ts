import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { gunzip } from '../../../server/bundles/gunzip.ts';

async function* inPieces(bytes: Buffer, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

async function expanded(bytes: Buffer, length: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of gunzip(inPieces(bytes, length))) pieces.push(piece);
  return Buffer.concat(pieces);
}

test('what comes out is what went in, however it is cut, whatever is kept of it', async () => {
  const noise = randomBytes(300_000);
  const plain = Buffer.concat([noise, Buffer.alloc(3_000_000, 'text'), noise]);
  const members = Buffer.concat([gzipSync(plain), gzipSync('and more')]);
  for (const length of [1000, 100_000, 10_000_000]) {
    const both = Buffer.concat([plain, Buffer.from('and more')]);
    assert.ok((await expanded(members, length)).equals(both), `in pieces of ${length}`);
  }
  const padded = Buffer.concat([gzipSync('x'), Buffer.alloc(600)]);
  assert.equal((await expanded(padded, 100)).toString(), 'x', 'zeros may follow');
});

test('what is damaged or cut short is told', async () => {
  const whole = gzipSync(Buffer.alloc(100_000, 'text'));
  const damaged = Buffer.from(whole);
  damaged[whole.length - 6] = (damaged[whole.length - 6] ?? 0) ^ 1;
  const cases: readonly (readonly [Buffer, string])[] = [
    [damaged, 'Z_DATA_ERROR'],
    [Buffer.from('no gzip at all'), 'Z_DATA_ERROR'],
    [Buffer.concat([whole, Buffer.from('garbage')]), 'Z_DATA_ERROR'],
    [whole.subarray(0, -3), 'Z_BUF_ERROR'],
    [Buffer.alloc(0), 'Z_BUF_ERROR'],
  ];
  for (const [bytes, code] of cases) await assert.rejects(expanded(bytes, 50), { code });
});

test('of a bomb no more comes at a time than the caps of a reader have room for', async () => {
  const bomb = gzipSync(Buffer.alloc(200_000_000));
  let taken = 0;
  for await (const piece of gunzip(inPieces(bomb, bomb.length))) {
    taken += piece.length;
    if (taken > 1_000_000) break;
  }
  assert.ok(taken < 2_000_000, `${taken} bytes`);
});

test('whoever else is at work in the thread has turns meanwhile', async () => {
  const bomb = gzipSync(Buffer.alloc(100_000_000));
  let turns = 0;
  let isDone = false;
  const others = () => {
    turns += 1;
    if (!isDone) setImmediate(others);
  };
  setImmediate(others);
  await expanded(bomb, bomb.length);
  isDone = true;
  assert.ok(turns > 1, `${turns} turns`);
});
