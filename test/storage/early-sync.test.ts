import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Descriptor } from '../../storage/descriptor.ts';
import { EarlySync } from '../../storage/early-sync.ts';
import { Spool } from '../../storage/spool.ts';
import { tempDir } from '../support/temp-dir.ts';

const MB = 1024 * 1024;

test('what went wrong with an early sync is not forgotten, though the next one succeeds', async (t) => {
  // A device that cannot be synced: EINVAL.
  const file = await Descriptor.open('/dev/null', constants.O_WRONLY);
  t.after(() => file.release());
  const early = new EarlySync(file);
  early.grown(31 * MB);
  await early.settled();
  early.grown(32 * MB);
  await assert.rejects(early.settled(), { code: 'EINVAL' });
  await assert.rejects(early.settled(), { code: 'EINVAL' });
});

test('a descriptor is held while it is synced, and one file is synced at a time', async (t) => {
  const path = join(await tempDir(t), 'file');
  const flags = constants.O_RDWR | constants.O_CREAT;
  const [first, second] = await Promise.all([Descriptor.open(path, flags), Descriptor.open('/dev/null', flags)]);
  const earlyOfFirst = new EarlySync(first);
  const earlyOfSecond = new EarlySync(second);
  earlyOfFirst.grown(32 * MB);
  earlyOfSecond.grown(32 * MB);
  first.release();
  assert.ok(!first.closed);
  await earlyOfSecond.settled();
  await earlyOfFirst.settled();
  assert.ok(first.closed);
  earlyOfSecond.grown(32 * MB);
  await assert.rejects(earlyOfSecond.settled(), { code: 'EINVAL' });
  second.release();
});

test('a large spool may be given up while it is synced', async (t) => {
  const dir = await tempDir(t);
  const spool = await Spool.create(dir, { maxBytes: 100 * MB });
  await spool.write(Buffer.alloc(33 * MB));
  await spool.discard();
  await assert.rejects(spool.finish());
  assert.deepEqual(await readdir(dir), []);
});
