import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProjectName } from '../../../server/model/project-name.ts';
import type { HttpUpstream } from '../../../server/upstream/http-upstream.ts';
import type { SavedHealth } from '../../../server/upstream/saved-health.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type FakeUpstream, fakeUpstream } from '../../support/fake-upstream.ts';
import { makeWheel } from '../../support/wheel.ts';
import { anUpstream, DEMO, problem, settledAfter } from './an-upstream.ts';

const SECOND = 1_000;

/** Where nodes keep what they know of an upstream, as the catalog does it: who finds what is kept already leaves it. */
class Row {
  state: SavedHealth | undefined;
  writes = 0;
  isAway = false;

  load = async (): Promise<SavedHealth | undefined> => {
    if (this.isAway) throw new Error('away');
    return this.state;
  };

  save = async (state: SavedHealth): Promise<void> => {
    if (this.isAway) throw new Error('away');
    if (this.state?.state === state.state) return;
    this.state = state;
    this.writes += 1;
  };
}

type Test = Parameters<typeof fakeUpstream>[0];

async function nodes(t: Test, more: { readonly urls?: (up: FakeUpstream) => readonly string[] } = {}) {
  const up = await fakeUpstream(t);
  up.project('demo').add(makeWheel({ name: 'demo', version: '1.0' }));
  const row = new Row();
  const clock = new FakeClock();
  const open = async (url: string): Promise<HttpUpstream> => {
    const options = { clock, loadState: row.load, saveState: row.save, followEveryMs: SECOND };
    const { upstream } = await anUpstream(t, url, options);
    upstream.start();
    return upstream;
  };
  const [a = up.url, b = up.url] = more.urls?.(up) ?? [];
  return { up, row, clock, one: await open(a), other: await open(b) };
}

async function fails(upstream: HttpUpstream, name = 'demo'): Promise<void> {
  await assert.rejects(upstream.page(parseProjectName(name)), problem('upstream-unavailable'));
}

/** Lets time pass until it is so. */
async function until(clock: FakeClock, isSo: () => boolean): Promise<void> {
  for (let steps = 0; !isSo(); steps += 1) {
    assert.ok(steps < 500, 'it never came to that');
    await clock.advance(250);
    await new Promise(setImmediate);
  }
}

test('an outage that one node has found is known to the other, which then asks nothing but its probes', async (t) => {
  const { up, clock, one, other } = await nodes(t);
  up.order('*', { status: 503 });
  for (const name of ['a', 'b', 'c']) await fails(one, name);
  assert.equal(one.health().state, 'open');
  assert.equal(other.health().state, 'closed');
  await clock.advance(SECOND);
  const [here, there] = [one.health(), other.health()];
  assert.deepEqual([there.state, there.since, there.epoch], ['open', here.since, here.epoch]);
  assert.equal(there.lastError, here.lastError);
  const before = up.requests();
  await fails(other);
  assert.equal(up.requests(), before);
  await clock.advance(5 * SECOND);
  assert.ok(up.requests() > before, 'it goes on probing');
});

test('when it is over, each node knows within a second of the first and finds out for itself', async (t) => {
  const { up, clock, row, one, other } = await nodes(t);
  await up.refuse();
  await fails(one);
  // Both are at their longest pauses.
  await clock.advance(120 * SECOND);
  assert.deepEqual([one.health().state, other.health().state], ['open', 'open']);
  await up.accept();
  await until(clock, () => row.state?.state === 'closed');
  const since = clock.nowMs();
  await until(clock, () => one.health().state === 'closed' && other.health().state === 'closed');
  assert.ok(clock.nowMs() - since <= 2 * SECOND);
  assert.deepEqual([one.health().epoch, other.health().epoch], [0, 0]);
  await other.page(DEMO);
});

test('nodes that find an outage at the same time say the same of when it began', async (t) => {
  const { up, clock, row, one, other } = await nodes(t);
  await up.refuse();
  await fails(one);
  await clock.advance(10);
  await fails(other);
  assert.equal(other.health().state, 'open');
  await until(clock, () => one.health().since === other.health().since);
  assert.equal(row.writes, 1);
});

test('a node that alone has lost its way does not keep the others from asking', async (t) => {
  const { up, clock, one, other } = await nodes(t, { urls: (real) => ['http://127.0.0.1:1/simple/', real.url] });
  await fails(one);
  await until(clock, () => other.health().state === 'open');
  await until(clock, () => other.health().state === 'closed');
  await clock.advance(60 * SECOND);
  assert.deepEqual([one.health().state, other.health().state], ['open', 'closed']);
  await other.page(DEMO);
  assert.ok(up.requests('/simple/demo/') > 0);
});

test('a slow upstream is known to all, until one is answered', async (t) => {
  const { up, clock, one, other } = await nodes(t);
  up.order('*', { hang: true });
  const asked = assert.rejects(one.page(DEMO));
  await up.waitFor('/simple/demo/');
  one.reportSlow();
  await until(clock, () => other.health().state !== 'closed');
  assert.equal(other.health().state, one.health().state);
  up.order('*');
  await until(clock, () => one.health().state === 'closed' && other.health().state === 'closed');
  await settledAfter(clock, asked);
});

test('news wait for a catalog that is away', async (t) => {
  const { up, clock, row, one, other } = await nodes(t);
  row.isAway = true;
  await up.refuse();
  await fails(one);
  await clock.advance(5 * SECOND);
  assert.equal(other.health().state, 'closed');
  row.isAway = false;
  await until(clock, () => other.health().state === 'open');
  assert.equal(other.health().since, one.health().since);
});
