import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { SpoolLimitError } from '../../storage/errors.ts';
import { sendToSpool } from '../../storage/send-to-spool.ts';
import { Spool } from '../../storage/spool.ts';
import { digestOf } from '../support/spooled.ts';
import { tempDir } from '../support/temp-dir.ts';

const MB = 1024 * 1024;

async function spoolOf(t: TestContext, maxBytes: number): Promise<Spool> {
  const spool = await Spool.create(await tempDir(t), { maxBytes });
  t.after(() => spool.discard());
  return spool;
}

/** As a store does that does not wait for the last pieces. */
function sending(pieces: readonly Buffer[]): (out: Writable) => Promise<void> {
  return async (out) => {
    for (const piece of pieces) out.write(piece);
  };
}

test('all of it is in the spool, also what was still waiting when whoever sent it was done', async (t) => {
  for (const first of [1000, 3 * MB]) {
    const pieces = [randomBytes(first), randomBytes(10_000), randomBytes(10_000)];
    const bytes = Buffer.concat(pieces);
    const spool = await spoolOf(t, bytes.length);
    const counts: number[] = [];
    await sendToSpool(spool, sending(pieces), (count) => counts.push(count));
    const { path, digest } = await spool.finish(digestOf(bytes));
    assert.equal(digest, digestOf(bytes));
    assert.ok((await readFile(path)).equals(bytes));
    assert.deepEqual(counts, [first, 10_000, 10_000]);
  }
});

test('what cannot be written is told, though it fails when whoever sent it is done', async (t) => {
  const spool = await spoolOf(t, 15_000);
  await assert.rejects(sendToSpool(spool, sending([randomBytes(10_000), randomBytes(10_000)])), SpoolLimitError);
});

test('what could not be sent is told', async (t) => {
  const spool = await spoolOf(t, MB);
  const failing = async (out: Writable): Promise<void> => {
    out.write(randomBytes(1000));
    throw new Error('the store has gone');
  };
  await assert.rejects(sendToSpool(spool, failing), /the store has gone/);
});
