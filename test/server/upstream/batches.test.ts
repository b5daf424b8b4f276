import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { inBatches } from '../../../server/upstream/batches.ts';

async function* chunks(count: number, size: number): AsyncGenerator<Buffer> {
  for (let i = 0; i < count; i += 1) yield Buffer.alloc(size, i);
}

test('all bytes are written in order, one call at a time, what comes meanwhile together', async () => {
  const written: Buffer[] = [];
  let isWriting = false;
  const done = await inBatches(chunks(200, 65_536), async (batch) => {
    assert.equal(isWriting, false);
    isWriting = true;
    await turn();
    written.push(Buffer.from(batch));
    isWriting = false;
    return true;
  });
  assert.equal(done, true);
  const expected = Buffer.concat(Array.from({ length: 200 }, (_, i) => Buffer.alloc(65_536, i)));
  assert.ok(Buffer.concat(written).equals(expected));
  assert.equal(written[0]?.length, 65_536, 'the first is not kept waiting');
  assert.ok(written.length < 100);
  assert.equal(Math.max(...written.map((batch) => batch.length)), 256 * 1024);
});

test('no, a failure to write and a failure to read all end it', async () => {
  let calls = 0;
  const no = async (): Promise<boolean> => {
    calls += 1;
    return false;
  };
  assert.equal(await inBatches(chunks(200, 65_536), no), false);
  assert.equal(calls, 1);
  const fail = async (): Promise<boolean> => {
    throw new Error('disk');
  };
  await assert.rejects(inBatches(chunks(200, 65_536), fail), /disk/);
  await assert.rejects(inBatches(chunks(1, 10), fail), /disk/);
  async function* broken(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(10);
    throw new Error('line');
  }
  await assert.rejects(
    inBatches(broken(), async () => true),
    /line/,
  );
  assert.equal(await inBatches(chunks(0, 0), no), true);
});
