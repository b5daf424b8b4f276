import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { blobPath } from '../../storage/blob-path.ts';
import type { Digest } from '../../storage/digest.ts';
import { collect, isStored, JSON_PAGE, letGo, type Page, pathOf, pull } from '../support/evicting.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { lockOf, pins } from '../support/mirror-world.ts';
import { mirror, post } from '../support/mirroring.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { type BuiltFile, makeWheel } from '../support/wheel.ts';
import { whileTimePasses } from '../support/while-time-passes.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const WHEELS = ['alpha', 'beta', 'gamma'].map((name) => makeWheel({ name, version: '1.0', padding: 100_000 }));
const [ALPHA, BETA, GAMMA] = WHEELS as [BuiltFile, BuiltFile, BuiltFile];
/** A server that has pulled all three through, gamma first, and has room for `fits` of them. */
async function seeded(t: Parameters<typeof fakeUpstream>[0], fits: number, more: Record<string, unknown> = {}) {
  const up = await fakeUpstream(t);
  for (const wheel of WHEELS) up.project(wheel.name).add(wheel, { size: false });
  const clock = new FakeClock();
  const cacheBytes = WHEELS.slice(0, fits).reduce((sum, { bytes }) => sum + bytes.length, 0) + 1000 * fits;
  const limits = { minFreeBytes: '0B', stopGrace: '2s', cacheBytes };
  const app = await testApp(t, { upstream: up.url, clock, config: { limits, ...more } });
  for (const wheel of [GAMMA, BETA, ALPHA]) {
    await pull(app, wheel);
    await clock.advance(MINUTE);
  }
  // A server begins with one of its own accord.
  assert.equal((await collect(app)).evicted, 0);
  return { up, clock, app, limits };
}

async function stored(app: TestApp): Promise<string[]> {
  const found: string[] = [];
  for (const wheel of WHEELS) if (await isStored(app, wheel)) found.push(wheel.name);
  return found;
}

const fileOf = (app: TestApp, wheel: BuiltFile) => join(app.dataDir, 'blobs', blobPath(wheel.sha256 as Digest));

test('what was used longest ago goes, and is pulled through again by whoever asks', async (t) => {
  const { up, clock, app } = await seeded(t, 2);
  await clock.advance(20 * DAY, { wakes: false });
  assert.equal((await app.get(pathOf(BETA), { method: 'HEAD' })).status, 200);
  assert.equal((await app.get(pathOf(ALPHA), { headers: { range: 'bytes=0-9' } })).status, 206);
  const restarted = await app.restart();
  // A server begins with one of its own accord.
  assert.equal((await collect(restarted)).evicted, 0);
  await clock.advance(25 * DAY, { wakes: false });
  const before = await restarted.get('/simple/gamma/', JSON_PAGE);
  const metadata = Buffer.from(await (await restarted.get(`${pathOf(GAMMA)}.metadata`)).arrayBuffer());

  const { evicted, evictedBytes, removed, removedBytes, cacheNote } = await collect(restarted);
  const size = GAMMA.bytes.length;
  assert.deepEqual([evicted, evictedBytes, removed, removedBytes, cacheNote], [1, size, 1, size, undefined]);
  assert.deepEqual(await stored(restarted), ['alpha', 'beta']);
  await assert.rejects(stat(fileOf(restarted, GAMMA)), { code: 'ENOENT' });
  assert.equal((await restarted.get(`/offline${pathOf(GAMMA)}`)).status, 404);
  const names = (await (await restarted.get('/offline/simple/', JSON_PAGE)).json()) as { projects: { name: string }[] };
  assert.deepEqual(
    names.projects.map(({ name }) => name),
    ['alpha', 'beta'],
  );

  const after = await restarted.get('/simple/gamma/', JSON_PAGE);
  assert.notEqual(after.headers.get('etag'), before.headers.get('etag'));
  const [file] = ((await after.json()) as Page).files;
  assert.deepEqual([file?.filename, file?.size], [GAMMA.filename, undefined], 'as upstream lists it');
  const kept = await restarted.get(`${pathOf(GAMMA)}.metadata`);
  assert.deepEqual(Buffer.from(await kept.arrayBuffer()), metadata);

  assert.equal(up.requests(`/files/${GAMMA.filename}`), 1);
  const again = await pull(restarted, GAMMA);
  assert.match(again.headers.get('cache-status') ?? '', /fwd=miss/);
  assert.equal(up.requests(`/files/${GAMMA.filename}`), 2);
  const back = (await (await restarted.get('/simple/gamma/', JSON_PAGE)).json()) as Page;
  assert.deepEqual(back, await before.json());
  assert.equal((await collect(restarted)).evicted, 0, 'now it is alpha and beta that go when their time has come');
  await clock.advance(40 * DAY, { wakes: false });
  assert.equal((await collect(restarted)).evicted, 1);
  assert.deepEqual(await stored(restarted), ['beta', 'gamma'].sort());
});

test('without a limit all stays', async (t) => {
  const { clock, app } = await seeded(t, 0, { limits: { minFreeBytes: '0B', stopGrace: '2s' } });
  await clock.advance(400 * DAY, { wakes: false });
  const { evicted, evictedBytes } = await collect(app);
  assert.deepEqual([evicted, evictedBytes], [0, 0]);
  assert.deepEqual(await stored(app), ['alpha', 'beta', 'gamma']);
  const stats = (await (await app.admin('/admin/stats')).json()) as { cache: object };
  assert.deepEqual(stats.cache, { bytes: WHEELS.reduce((sum, { bytes }) => sum + bytes.length, 0), limit: null });
});

test('what is being read, and what a mirror job has met, was used', async (t) => {
  const { clock, app } = await seeded(t, 0);
  await clock.advance(40 * DAY, { wakes: false });
  const reading = await app.get(pathOf(ALPHA));
  const job = await mirror(app, lockOf(pins(BETA)));
  assert.deepEqual(
    job.files.map(({ state }) => state),
    ['present'],
  );
  const { evicted, cacheNote } = await collect(app);
  assert.equal(evicted, 1);
  assert.match(String(cacheNote), /used within limits\.cacheKeepFor/);
  assert.ok(app.logged.some(({ level, msg }) => level === 40 && msg === cacheNote));
  assert.deepEqual(await stored(app), ['alpha', 'beta']);
  assert.deepEqual(Buffer.from(await reading.arrayBuffer()), ALPHA.bytes);
  const metrics = await (await app.admin('/metrics')).text();
  assert.match(metrics, /^stormcellar_evicted_files_total 1$/m);
});

test('what is not listed any more, or quarantined, stays, though nobody has asked since', async (t) => {
  const { up, clock, app } = await seeded(t, 0);
  up.project('alpha').remove(ALPHA.filename);
  up.project('beta').mark('quarantined');
  await clock.advance(40 * DAY, { wakes: false });
  const { evicted, cacheNote } = await collect(app);
  assert.equal(evicted, 1);
  assert.match(String(cacheNote), /or may not be had again \(2 files\)\.$/);
  // Believed by now.
  await clock.advance(2 * 60 * MINUTE, { wakes: false });
  assert.equal((await collect(app)).evicted, 0);
  for (const wheel of [ALPHA, BETA]) assert.ok(await stat(fileOf(app, wheel)));
  assert.deepEqual(await stored(app), ['alpha']);
});

test('in an outage nothing goes, and afterwards it does', async (t) => {
  const { up, clock, app } = await seeded(t, 1);
  await clock.advance(40 * DAY, { wakes: false });
  await up.refuse();
  const { evicted, cacheNote } = await whileTimePasses(clock, collect(app));
  assert.equal(evicted, 0);
  assert.match(String(cacheNote), /may not be had again|comes from an upstream that does not answer \(pypi\)/);
  await goDark(app, clock);
  assert.match(String((await whileTimePasses(clock, collect(app))).cacheNote), /that does not answer \(pypi\)\.$/);
  assert.deepEqual(await stored(app), ['alpha', 'beta', 'gamma']);
  await up.accept();
  await breakerIs(app, clock, 'closed');
  await whileTimePasses(clock, collect(app));
  assert.deepEqual(await stored(app), ['alpha']);
});

test('what a kept lock needs stays, until it is dropped', async (t) => {
  const { clock, app } = await seeded(t, 0);
  const call = { ...lockOf(pins(ALPHA, BETA)), keep: 'shop' };
  assert.equal((await mirror(app, call)).state, 'succeeded');
  await clock.advance(40 * DAY, { wakes: false });
  const { evicted, cacheNote } = await collect(app);
  assert.equal(evicted, 1);
  assert.match(String(cacheNote), /or is needed by kept locks \(2 files\)\.$/);
  assert.equal(((await (await post(app, '/admin/drill', call)).json()) as { ready: boolean }).ready, true);
  assert.equal((await app.admin('/admin/locks/shop', { method: 'DELETE' })).status, 204);
  assert.equal((await collect(app)).evicted, 2);
});

test('what a kept lock needs stays, though it came after the lock was kept and was checked last', async (t) => {
  const { up, clock, app } = await seeded(t, 0);
  const later = makeWheel({ name: 'later', version: '1.0' });
  const call = { ...lockOf(pins(ALPHA, later)), keep: 'shop' };
  assert.equal((await mirror(app, call)).state, 'failed');
  up.project('later').add(later);
  // That the upstream does not have it is believed for a minute.
  await clock.advance(2 * MINUTE);
  await pull(app, later);
  await clock.advance(40 * DAY, { wakes: false });
  assert.equal((await collect(app)).evicted, 2);
  assert.deepEqual([await isStored(app, ALPHA), await isStored(app, later)], [true, true]);
});

test('of a private name no upstream is asked, so that its files stay', async (t) => {
  const { up, clock, app, limits } = await seeded(t, 0);
  const { dataDir } = app;
  await app.stop();
  await clock.advance(40 * DAY, { wakes: false });
  const indexes = { main: { repositories: ['local', 'pypi'], private: ['alpha'] } };
  const asked = up.requests('/simple/alpha/');
  const again = await testApp(t, { upstream: up.url, clock, dataDir, config: { limits, indexes } });
  await collect(again);
  assert.deepEqual(
    await letGo(again),
    [BETA, GAMMA].map(({ name, filename }) => `pypi/${name}/${filename}`),
  );
  assert.equal(up.requests('/simple/alpha/'), asked);
  assert.ok(await stat(fileOf(again, ALPHA)));
});

async function goDark(app: TestApp, clock: FakeClock): Promise<void> {
  for (let asked = 0; asked < 20; asked += 1)
    await whileTimePasses(clock, app.get(`/simple/unknown-${asked}/`, JSON_PAGE));
  await breakerIs(app, clock, 'open');
}

async function breakerIs(app: TestApp, clock: FakeClock, wanted: string): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    const { upstreams } = (await (await app.get('/readyz')).json()) as { upstreams: { breaker: string }[] };
    if (upstreams[0]?.breaker === wanted) return;
    await clock.advance(1_000);
  }
  assert.fail(`the breaker is never ${wanted}`);
}
