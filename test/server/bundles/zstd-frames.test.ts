import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, zstdCompressSync } from 'node:zlib';
import { cutAtFrames } from '../../../server/bundles/zstd-frames.ts';

async function* inPieces(bytes: Buffer, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

function frames(): readonly Buffer[] {
  const noise = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (Math.imul(at, 2654435761) >>> 13) & 0xff));
  const checked = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
  const unsized = { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } };
  return [
    zstdCompressSync(noise),
    zstdCompressSync(noise, checked),
    zstdCompressSync(noise.subarray(0, 70_000), unsized),
    zstdCompressSync(Buffer.alloc(1_000_000)),
    zstdCompressSync('short'),
    zstdCompressSync('', checked),
    // To be passed over, one of them empty.
    Buffer.from('512a4d1803000000010203', 'hex'),
    Buffer.from('5f2a4d1800000000', 'hex'),
    zstdCompressSync(noise.subarray(0, 300)),
  ];
}

test('a stream is cut wherever a frame ends, however it comes, and nothing of it is lost', async () => {
  const all = frames();
  const ends = all.map((_, at) => Buffer.concat(all.slice(0, at + 1)).length);
  for (const length of [1, 1000, 10_000_000]) {
    const whole = Buffer.concat(all);
    const pieces: Buffer[] = [];
    const cuts = new Set<number>();
    let size = 0;
    for await (const piece of cutAtFrames(inPieces(whole, length))) {
      assert.ok(piece.length > 0);
      pieces.push(Buffer.from(piece));
      size += piece.length;
      cuts.add(size);
    }
    assert.ok(Buffer.concat(pieces).equals(whole), `in pieces of ${length}`);
    for (const end of ends) assert.ok(cuts.has(end), `in pieces of ${length}, at ${end}`);
    if (length > whole.length) assert.deepEqual([...cuts], ends);
  }
});

test('what is no frame, or one that cannot be, comes through as it is', async () => {
  const [frame = Buffer.alloc(0)] = frames();
  const reserved = Buffer.concat([Buffer.from('28b52ffd00ff', 'hex'), Buffer.from([0x07, 0, 0]), Buffer.alloc(500)]);
  for (const bytes of [Buffer.from('garbage'), reserved, frame.subarray(0, 100)]) {
    const pieces: Buffer[] = [];
    for await (const piece of cutAtFrames(inPieces(Buffer.concat([frame, bytes]), 10_000_000))) pieces.push(piece);
    assert.deepEqual([pieces.length, pieces[0]?.length, pieces[1]?.length], [2, frame.length, bytes.length]);
  }
});
