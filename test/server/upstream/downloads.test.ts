import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { GrowingFile } from '../../../server/upstream/download.ts';
import type { ByteRange } from '../../../storage/blob-store.ts';
import { fakeUpstream } from '../../support/fake-upstream.ts';
import { makeWheel } from '../../support/wheel.ts';
import { DEMO, problem, settledAfter } from './an-upstream.ts';
import { bench, counting, gated, PATH, received, SIZE, wheel } from './download-bench.ts';

test('fifty readers of one cold file cost one request, get equal bytes, and it is stored once', async (t) => {
  const { fetch, up, stored, spools, downloads } = await bench(t);
  const files = await Promise.all(Array.from({ length: 50 }, () => fetch()));
  for (const file of files) assert.equal(file.size, SIZE);
  const bodies = await Promise.all(files.map((file) => received(file)));
  for (const body of bodies) assert.ok(body.equals(wheel.bytes));
  assert.equal(await files[0]?.done, wheel.sha256);
  assert.equal(up.requests(PATH), 1);
  assert.deepEqual(
    stored.map(({ digest, size }) => ({ digest, size })),
    [{ digest: wheel.sha256, size: SIZE }],
  );
  assert.deepEqual(await readFile(stored[0]?.path ?? ''), wheel.bytes);
  assert.deepEqual(await spools(), []);
  assert.equal(downloads.size, 0);
});

test('the first bytes go out as they come; the last wait for the whole', async (t) => {
  const { fetch, up } = await bench(t);
  const gate = Promise.withResolvers<void>();
  up.order(PATH, { holdAfter: { bytes: 100_000, until: gate.promise } });
  const reader = counting();
  const file = await fetch();
  const sending = file.send(undefined, reader.out);
  await reader.reached(99_999);
  assert.equal(reader.bytes(), 99_999);
  gate.resolve();
  await sending;
  assert.equal(reader.bytes(), SIZE);
});

test('a reader that is slow or leaves changes nothing for the others', async (t) => {
  const { fetch, stored, spools } = await bench(t);
  const [slow, quick, leaving] = [await fetch(), await fetch(), await fetch()];
  const [stuck, gone] = [gated(), gated()];
  const crawling = slow.send(undefined, stuck.out);
  const left = leaving.send(undefined, gone.out);
  gone.out.destroy();
  await left;
  assert.ok((await received(quick)).equals(wheel.bytes));
  await quick.done;
  assert.equal(stored.length, 1);
  stuck.open();
  await crawling;
  assert.equal(stuck.bytes(), SIZE);
  assert.deepEqual(await spools(), []);
});

test('readers that all leave do not cancel it', async (t) => {
  const { fetch, up, stored } = await bench(t);
  const gate = Promise.withResolvers<void>();
  up.order(PATH, { holdAfter: { bytes: 1_000, until: gate.promise } });
  const file = await fetch();
  const { out } = gated();
  const sending = file.send(undefined, out);
  out.destroy();
  await sending;
  gate.resolve();
  assert.equal(await file.done, wheel.sha256);
  assert.equal(stored.length, 1);
});

test('ranges are cut from the growing file; they too wait until it is right', async (t) => {
  const { fetch, up } = await bench(t);
  const gate = Promise.withResolvers<void>();
  up.order(PATH, { holdAfter: { bytes: 100_000, until: gate.promise } });
  const ranges: ByteRange[] = [
    { start: 0, end: 99 },
    { start: 0, end: 0 },
    { start: 50_000, end: 200_000 },
    { start: SIZE - 10, end: SIZE - 1 },
    { start: 0, end: SIZE - 1 },
  ];
  const files = await Promise.all(ranges.map(() => fetch()));
  const parts = Promise.all(files.map((file, i) => received(file, ranges[i])));
  const early = counting();
  const sending = (await fetch()).send({ start: 0, end: 99 }, early.out);
  await early.reached(99);
  assert.equal(early.bytes(), 99);
  gate.resolve();
  for (const [i, part] of (await parts).entries()) {
    const { start, end } = ranges[i] ?? { start: 0, end: 0 };
    assert.ok(part.equals(wheel.bytes.subarray(start, end + 1)), `${start}-${end}`);
  }
  await sending;
});

test('wrong bytes never end cleanly and are not stored; the next request tries again', async (t) => {
  const { fetch, up, stored, spools, upstream } = await bench(t);
  up.order(PATH, { corrupt: true, times: 1 });
  const files = [await fetch(), await fetch(), await fetch()] as const;
  const [whole, head, tail] = [counting(), counting(), counting()];
  const sending = [
    files[0].send(undefined, whole.out),
    files[1].send({ start: 0, end: 9 }, head.out),
    files[2].send({ start: SIZE - 5, end: SIZE - 1 }, tail.out),
  ];
  for (const sent of sending) await assert.rejects(sent, problem('upstream-mismatch'));
  await assert.rejects(files[0].done, problem('upstream-mismatch'));
  assert.deepEqual([whole.bytes() < SIZE, head.bytes() < 10, tail.bytes() < 5], [true, true, true]);
  assert.equal(stored.length, 0);
  assert.deepEqual(await spools(), []);
  assert.equal(upstream.health().state, 'closed');
  assert.ok((await received(await fetch())).equals(wheel.bytes));
});

test('without a digest the length counts, and what came is what is stored', async (t) => {
  const { fetch, stored } = await bench(t);
  await assert.rejects(fetch({ unhashed: true, expected: { size: 7 } }), problem('upstream-mismatch'));
  const file = await fetch({ unhashed: true, expected: { size: SIZE } });
  assert.ok((await received(file)).equals(wheel.bytes));
  assert.equal(await file.done, wheel.sha256);
  assert.equal(stored.length, 1);
});

test('a wrong size on a page does no harm when the digest is right', async (t) => {
  const { fetch } = await bench(t);
  const file = await fetch({ expected: { sha256: wheel.sha256, size: 7 } });
  assert.ok((await received(file)).equals(wheel.bytes));
});

test('a cut download goes on where it was cut, however often, while readers wait', async (t) => {
  const { fetch, up, clock, stored } = await bench(t);
  up.order(PATH, { cutAfter: 100_000, times: 1 }, { cutAfter: 50_000, times: 1 }, { status: 502, times: 2 });
  const file = await fetch();
  assert.ok((await settledAfter(clock, received(file), 250)).equals(wheel.bytes));
  assert.equal(await file.done, wheel.sha256);
  const ranges = up.seen(PATH).map(({ headers }) => headers.range);
  assert.deepEqual(ranges, [undefined, 'bytes=100000-', 'bytes=150000-', 'bytes=150000-', 'bytes=150000-']);
  assert.equal(stored.length, 1);
});

test('where the first address sends wrong bytes or cuts the line again and again, a fallback gives the file', async (t) => {
  const second = await fakeUpstream(t);
  second.project('demo').add(wheel);
  const { fetch, up, clock } = await bench(t, { upstream: { fallbacks: [new URL(second.url)] } });
  up.order(PATH, { corrupt: true });
  await assert.rejects(received(await fetch()), problem('upstream-mismatch'));
  assert.ok((await received(await fetch())).equals(wheel.bytes), 'to whoever asks again');
  const cut = await bench(t, { upstream: { fallbacks: [new URL(second.url)], clock } });
  cut.up.order(PATH, { cutAfter: 100_000, ranges: false });
  assert.ok((await settledAfter(clock, received(await cut.fetch()), 500)).equals(wheel.bytes), 'to whoever waits');
  assert.equal(second.seen(PATH).at(-1)?.headers.range, 'bytes=100000-');
});

test('one that starts again at the beginning fills the same spool', async (t) => {
  const { fetch, up, clock } = await bench(t);
  up.order(PATH, { cutAfter: 100_000, times: 1 }, { ranges: false });
  assert.ok((await settledAfter(clock, received(await fetch()), 250)).equals(wheel.bytes));
});

test('a file that changed while it was downloaded is not patched together', async (t) => {
  const other = makeWheel({ name: 'demo', version: '1.0', padding: 300_000, files: { 'a.py': 'x = 1\n' } });
  const sameLength = Buffer.from(wheel.bytes.map((byte) => byte ^ 1));
  for (const bytes of [other.bytes, sameLength]) {
    const { fetch, up, clock, stored } = await bench(t);
    up.order(PATH, { cutAfter: 100_000, times: 1 });
    const file = await fetch({ unhashed: true });
    const sending = received(file);
    await up.waitFor(PATH);
    up.project('demo').add(wheel, { bytes });
    await assert.rejects(settledAfter(clock, sending, 250), problem('upstream-mismatch'));
    await assert.rejects(file.done, problem('upstream-mismatch'));
    assert.equal(stored.length, 0);
  }
});

test('one that never comes whole breaks off, and the next request tries again', async (t) => {
  const { fetch, up, clock, spools } = await bench(t, { upstream: { failuresToOpen: 100 } });
  up.order(PATH, { cutAfter: 100_000, times: 1 }, { status: 503 });
  const file = await fetch();
  await assert.rejects(settledAfter(clock, received(file), 500), problem('upstream-unavailable', /answered 503/));
  await assert.rejects(file.done);
  assert.deepEqual(await spools(), []);
  up.order(PATH);
  assert.ok((await received(await fetch())).equals(wheel.bytes));
});

test('an upstream that gives a few bytes each time is given up', async (t) => {
  const { fetch, up, clock } = await bench(t);
  up.order(PATH, { cutAfter: 10 });
  const file = await fetch();
  await assert.rejects(settledAfter(clock, received(file), 250), problem('upstream-unavailable', /connection was/));
  assert.equal(up.requests(PATH), 51);
});

test('what fails before the first byte is a problem that can still be answered', async (t) => {
  const { fetch, up, downloads } = await bench(t);
  up.order(PATH, { status: 404 });
  await assert.rejects(fetch(), problem('file-not-found'));
  up.order(PATH, { status: 403 });
  await assert.rejects(fetch(), problem('upstream-unavailable', /answered 403/));
  assert.equal(downloads.size, 0);
});

test('a file larger than the limit is refused, whether its length is told or not', async (t) => {
  const { fetch, up, spools } = await bench(t, { maxBytes: 100_000 });
  await assert.rejects(fetch(), problem('upstream-unavailable', /larger than 100000 bytes/));
  up.order(PATH, { chunked: true });
  const file = await fetch();
  assert.equal(file.size, undefined);
  await assert.rejects(received(file), problem('upstream-unavailable', /larger than 100000 bytes/));
  assert.deepEqual(await spools(), []);
});

test('no more downloads at once than may be; too many waiting are refused', async (t) => {
  const { fetch, up, clock } = await bench(t, { maxAtOnce: 1, maxWaiting: 1 });
  const never = Promise.withResolvers<void>();
  t.after(() => never.resolve());
  up.order(PATH, { holdAfter: { bytes: 1_000, until: never.promise } });
  await fetch();
  const named = (filename: string): Promise<GrowingFile> =>
    fetch({ target: { project: DEMO, filename, url: new URL(`${up.filesUrl}${filename}`) } });
  const waiting = named('a-1.tar.gz');
  waiting.catch(() => {});
  await turn();
  await assert.rejects(named('b-1.tar.gz'), problem('upstream-unavailable', /are waiting/));
  await clock.advance(30_000);
  await assert.rejects(waiting, problem('upstream-unavailable', /are under way/));
});

test('stop breaks off and leaves no spool', async (t) => {
  const { fetch, up, downloads, spools } = await bench(t);
  const never = Promise.withResolvers<void>();
  t.after(() => never.resolve());
  up.order(PATH, { holdAfter: { bytes: 1_000, until: never.promise } });
  const file = await fetch();
  const sending = assert.rejects(received(file), problem('stopping'));
  assert.equal((await spools()).length, 1);
  await downloads.stop();
  await sending;
  assert.deepEqual(await spools(), []);
  await assert.rejects(fetch(), problem('stopping'));
});

test('two projects that list the same bytes each have theirs stored', async (t) => {
  const { fetch, up, stored } = await bench(t);
  const url = new URL(`${up.filesUrl}${wheel.filename}`);
  const { filename, sha256 } = wheel;
  const mine = await fetch();
  const theirs = await fetch({ target: { project: 'other' as typeof DEMO, filename, url, sha256 } });
  await Promise.all([received(mine), received(theirs)]);
  await Promise.all([mine.done, theirs.done]);
  assert.equal(stored.length, 2);
});

test('that all has come is told before it is stored, and when it never will', async (t) => {
  const { fetch, up, downloads } = await bench(t);
  const storing = Promise.withResolvers<void>();
  const file = await fetch({ whenStored: () => storing.promise });
  await file.hasCome;
  assert.equal(await Promise.race([file.done, Promise.resolve('being stored')]), 'being stored');
  storing.resolve();
  assert.equal(await file.done, wheel.sha256);
  file.close();
  while (downloads.size > 0) await turn();
  up.order(PATH, { corrupt: true });
  const wrong = await fetch();
  await wrong.hasCome;
  await assert.rejects(wrong.done, problem('upstream-mismatch'));
  wrong.close();
});
