import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { StorageFullError } from '../../../storage/errors.ts';
import { skipOrFail } from '../../support/skip.ts';
import { makeSmallDisk, type SmallDisk } from '../../support/small-disk.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { makeWheel, sha256Of } from '../../support/wheel.ts';
import { DEMO, problem } from './an-upstream.ts';
import { bench, counting, gated, PATH, received, SIZE, wheel } from './download-bench.ts';

test('a file that cannot be stored has been sent all the same', async (t) => {
  const { fetch, notStored, spools } = await bench(t);
  const whenStored = async (): Promise<void> => {
    throw new StorageFullError('full');
  };
  const file = await fetch({ whenStored });
  assert.ok((await received(file)).equals(wheel.bytes));
  await assert.rejects(file.done, problem('storage-full'));
  assert.equal(notStored(), 1);
  assert.deepEqual(await spools(), []);
});

test('where nothing can be written, a file is passed on, and the log has the reason', async (t) => {
  const file = join(await tempDir(t), 'file');
  await writeFile(file, '');
  const lines: string[] = [];
  const log = pino({}, { write: (line) => lines.push(line) });
  const { fetch, notStored } = await bench(t, { spoolDir: join(file, 'spool'), log });
  const passed = await fetch();
  assert.ok((await received(passed)).equals(wheel.bytes));
  await assert.rejects(passed.done, problem('storage-unavailable'));
  assert.equal(notStored(), 1);
  assert.match(lines.join(''), /ENOTDIR.*a file cannot be stored; it is passed on without being kept/);
  assert.doesNotMatch(lines.join(''), /no room/);
});

test('without room each reader gets it straight from upstream, checked, and nothing is stored', async (t) => {
  const { fetch, up, notStored, stored, spools, upstream, downloads } = await bench(t, { spare: SIZE });
  const files = await Promise.all([fetch(), fetch(), fetch()]);
  const range = { start: 1_000, end: 2_000 };
  const [first, second, part] = await Promise.all(files.map((file, i) => received(file, i === 2 ? range : undefined)));
  assert.ok(first?.equals(wheel.bytes));
  assert.ok(second?.equals(wheel.bytes));
  assert.ok(part?.equals(wheel.bytes.subarray(1_000, 2_001)));
  assert.equal(up.requests(PATH), 3);
  assert.equal(notStored(), 1);
  await assert.rejects(files[0]?.done ?? Promise.resolve(), problem('storage-full'));
  assert.deepEqual([stored, await spools(), downloads.size], [[], [], 0]);
  up.order(PATH, { corrupt: true });
  const [wrong, partly] = [counting(), counting()];
  await assert.rejects((await fetch()).send(undefined, wrong.out), problem('upstream-mismatch'));
  await assert.rejects((await fetch()).send(range, partly.out), problem('upstream-mismatch'));
  assert.deepEqual([wrong.bytes() < SIZE, partly.bytes() < 1_001], [true, true]);
  assert.equal(upstream.health().state, 'closed');
});

test('a reader that leaves frees its connection, without room as well', async (t) => {
  const { fetch, up } = await bench(t, { spare: 0, upstream: { maxFiles: 1 } });
  const never = Promise.withResolvers<void>();
  t.after(() => never.resolve());
  up.order(PATH, { holdAfter: { bytes: 1_000, until: never.promise }, times: 2 });
  const { out } = gated();
  const sending = (await fetch()).send(undefined, out);
  out.destroy();
  await sending;
  const unused = await fetch();
  unused.close();
  assert.ok((await received(await fetch())).equals(wheel.bytes));
});

test('one that is neither read nor closed is let go after a minute', async (t) => {
  const { fetch, clock } = await bench(t, { spare: 0, upstream: { maxFiles: 1 } });
  await fetch();
  await clock.advance(60_000);
  assert.ok((await received(await fetch())).equals(wheel.bytes));
});

test('what is being written counts as room that is taken', async (t) => {
  const { fetch, up, stored } = await bench(t, { spare: Math.floor(SIZE * 1.5) });
  const gate = Promise.withResolvers<void>();
  up.order(PATH, { holdAfter: { bytes: 1_000, until: gate.promise }, times: 1 });
  const first = await fetch();
  const second = await fetch({ unhashed: true });
  assert.ok((await received(second)).equals(wheel.bytes));
  await assert.rejects(second.done, problem('storage-full'));
  gate.resolve();
  assert.ok((await received(first)).equals(wheel.bytes));
  await first.done;
  assert.equal(stored.length, 1);
});

describe('a disk that fills in the middle', async () => {
  const disk: SmallDisk = await makeSmallDisk(512);
  const skip = skipOrFail('skip' in disk ? disk.skip : undefined);
  const large = makeWheel({ name: 'demo', version: '2.0', padding: 2_000_000 });

  test('readers get the rest from upstream; nothing is stored', { skip }, async (t) => {
    assert.ok('dir' in disk);
    t.after(disk.remove);
    const { fetch, up, upstream, notStored, stored, spools } = await bench(t, { spoolDir: disk.dir });
    up.project('demo').add(large);
    const { filename, sha256 } = large;
    const target = { project: DEMO, filename, url: new URL(`${up.filesUrl}${filename}`), sha256 };
    const expected = { sha256 };
    const ranges = [undefined, { start: 10, end: 99 }, { start: 100, end: 1_500_000 }, undefined];
    const files = await Promise.all(ranges.map(() => fetch({ target, expected })));
    const bodies = await Promise.all(files.map((file, i) => received(file, ranges[i])));
    for (const [i, body] of bodies.entries()) {
      const range = ranges[i];
      assert.ok(body.equals(range ? large.bytes.subarray(range.start, range.end + 1) : large.bytes), String(i));
    }
    assert.equal(notStored(), 1);
    assert.deepEqual(stored, []);
    const seen = up.seen(`/files/${filename}`);
    assert.equal(seen.length, 5);
    assert.match(seen[1]?.headers.range ?? '', /^bytes=\d{6}-$/);
    while ((await spools()).length > 0) await turn();

    up.order(`/files/${filename}`, { corrupt: true });
    const wrong = await fetch({ target, expected });
    const { out, bytes } = counting();
    await assert.rejects(wrong.send(undefined, out), problem('upstream-mismatch'));
    assert.ok(bytes() < large.bytes.length);
    assert.equal(upstream.health().state, 'closed');
    assert.equal(sha256Of(large.bytes), sha256);
  });
});
