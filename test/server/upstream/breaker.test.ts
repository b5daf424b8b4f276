import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { parseProjectName } from '../../../server/model/project-name.ts';
import type { HttpUpstream } from '../../../server/upstream/http-upstream.ts';
import type { SavedHealth } from '../../../server/upstream/saved-health.ts';
import type { FakeClock } from '../../support/fake-clock.ts';
import type { Order } from '../../support/fake-orders.ts';
import { fakeUpstream } from '../../support/fake-upstream.ts';
import { makeWheel } from '../../support/wheel.ts';
import { anUpstream, DEMO, problem } from './an-upstream.ts';

const wheel = makeWheel({ name: 'demo', version: '1.0' });
const { signal } = new AbortController();

/** Asks for a page that fails. */
async function fail(upstream: HttpUpstream, name = 'demo'): Promise<void> {
  await assert.rejects(upstream.page(parseProjectName(name)));
}

async function failFile(upstream: HttpUpstream, url: string): Promise<void> {
  const target = { project: DEMO, filename: 'demo-1.0.tar.gz', url: new URL(url) };
  await assert.rejects(upstream.download(target, { signal }));
}

/** Moves time on until the state is reached. */
async function until(upstream: HttpUpstream, state: string, clock: FakeClock): Promise<void> {
  while (upstream.health().state !== state) {
    await clock.advance(1_000);
    await turn();
  }
}

test('no connection at all opens it at once; nothing is asked while it is open; it closes by itself', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(wheel);
  const { upstream, clock } = await anUpstream(t, up.url);
  await upstream.page(DEMO);
  assert.deepEqual(upstream.health(), {
    state: 'closed',
    since: clock.nowMs(),
    epoch: 0,
    retryAfter: 1,
    lastSuccessAt: clock.nowMs(),
  });
  await clock.advance(5_000);
  await up.refuse();
  for (let i = 0; i < 3; i += 1) await fail(upstream, `p${i}`);
  const { state, since, epoch, lastError, retryAfter } = upstream.health();
  assert.equal(state, 'open');
  assert.deepEqual([since, epoch, retryAfter], [clock.nowMs(), clock.nowMs(), 1]);
  assert.match(lastError ?? '', /connection (?:refused|was cut)/);
  await up.accept();
  const before = up.requests();
  await assert.rejects(upstream.page(DEMO), problem('upstream-unavailable', /connection/));
  await failFile(upstream, `${up.filesUrl}demo-1.0.tar.gz`);
  await assert.rejects(upstream.document(new URL(up.url), { accept: '*/*', maxBytes: 1_000 }));
  assert.equal(up.requests(), before, 'nobody is asked');
  const probed = up.waitFor('/simple/demo/', up.requests('/simple/demo/') + 1);
  await clock.advance(1_000);
  await probed;
  await until(upstream, 'closed', clock);
  assert.equal(upstream.health().epoch, 0);
  assert.equal(typeof (await upstream.page(DEMO)), 'object');
});

test('probes grow apart, and are not sooner than Retry-After asks for', async (t) => {
  const up = await fakeUpstream(t);
  const { upstream, clock } = await anUpstream(t, up.url, { probeEveryMs: 4_000 });
  up.order('*', { status: 429, headers: { 'retry-after': '7' } });
  await fail(upstream, 'a');
  assert.equal(upstream.health().state, 'closed');
  await fail(upstream, 'b');
  assert.equal(upstream.health().state, 'open');
  assert.equal(upstream.health().retryAfter, 7);
  up.order('*', { status: 503 });
  const pauses: number[] = [];
  for (let i = 0; i < 5; i += 1) {
    const began = clock.nowMs();
    const seen = up.requests();
    while (up.requests() === seen) {
      await clock.advance(500);
      await turn();
    }
    pauses.push(clock.nowMs() - began);
    // Until the probe has failed, and sleeps.
    await clock.untilSleeping(1);
  }
  assert.deepEqual(pauses, [7_000, 2_000, 4_000, 4_000, 4_000]);
});

test('one object that cannot be had never opens it; three pages do', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(wheel);
  const { upstream } = await anUpstream(t, up.url);
  await upstream.page(DEMO);
  for (const order of [
    { status: 500 },
    { status: 403 },
    { status: 404 },
    { cutAfter: 3 },
    { reset: true },
  ] as Order[]) {
    up.order('/simple/demo/', order);
    // A page and a file without a connection are no longer one object.
    up.order('/files/*', order.reset ? { status: 404 } : order);
    for (let i = 0; i < 5; i += 1) {
      await upstream.page(DEMO).catch(() => {});
      await failFile(upstream, `${up.filesUrl}demo-1.0.tar.gz`);
    }
    up.order('/simple/demo/');
    await upstream.page(DEMO);
    assert.equal(upstream.health().state, 'closed', JSON.stringify(order));
  }
  up.order('/files/*', { status: 502 });
  for (let i = 0; i < 5; i += 1) await failFile(upstream, `${up.filesUrl}${i}/demo-1.0.tar.gz`);
  assert.equal(upstream.health().state, 'closed', 'files that answer 502 prove nothing on their own');
  up.order('*', { status: 500 });
  await fail(upstream, 'a');
  assert.equal(upstream.health().state, 'open', 'together with a page they do');
});

test('what failed long ago counts no more, nor what failed before a success', async (t) => {
  const up = await fakeUpstream(t);
  const { upstream, clock } = await anUpstream(t, up.url);
  up.order('/simple/bad*', { status: 500 });
  await fail(upstream, 'bad1');
  await fail(upstream, 'bad2');
  await clock.advance(61_000);
  await fail(upstream, 'bad3');
  assert.equal(upstream.health().state, 'closed');
  await fail(upstream, 'bad4');
  await upstream.page(DEMO);
  await fail(upstream, 'bad5');
  await fail(upstream, 'bad6');
  assert.equal(upstream.health().state, 'closed');
  await fail(upstream, 'bad7');
  assert.equal(upstream.health().state, 'open');
});

test('a file host that is known and gone opens it, and is probed; a dead host that a page links to does not', async (t) => {
  const up = await fakeUpstream(t, { files: 'other' });
  const host = await fakeUpstream(t);
  const dead = host.filesUrl;
  await host.refuse();
  up.project('demo').add(wheel);
  const { upstream, clock } = await anUpstream(t, up.url);
  for (let i = 0; i < 5; i += 1) await failFile(upstream, `${dead}${i}/demo-1.0.tar.gz`);
  assert.equal(upstream.health().state, 'closed');
  const url = new URL(`${up.filesUrl}${wheel.filename}`);
  const target = { project: DEMO, filename: wheel.filename, url };
  (await upstream.download(target, { signal })).body.destroy();
  up.order('/files/*', { reset: true });
  await failFile(upstream, `${up.filesUrl}1/demo-1.0.tar.gz`);
  await failFile(upstream, `${up.filesUrl}2/demo-1.0.tar.gz`);
  assert.equal(upstream.health().state, 'open');
  const probed = up.waitFor('/files/*', up.requests('/files/*') + 1);
  await clock.advance(1_000);
  await probed;
  await clock.untilSleeping(1);
  assert.equal(upstream.health().state, 'open', 'pages that come do not end it');
  up.order('/files/*');
  await until(upstream, 'closed', clock);
  assert.equal(up.seen('/files/*').at(-1)?.method, 'HEAD');
});

test('slow until something answers: reported by a caller, ended by an answer or by the death of the request', async (t) => {
  const up = await fakeUpstream(t);
  const gate = Promise.withResolvers<void>();
  up.project('demo').add(wheel);
  const { upstream, clock } = await anUpstream(t, up.url);
  upstream.reportSlow();
  assert.equal(upstream.health().state, 'closed', 'nothing is being waited for');
  up.order('*', { hold: gate.promise });
  const slow = upstream.page(DEMO);
  await up.waitFor('/simple/demo/');
  upstream.reportSlow();
  assert.equal(upstream.health().state, 'slow');
  assert.notEqual(upstream.health().epoch, 0);
  gate.resolve();
  await slow;
  assert.equal(upstream.health().state, 'closed');
  up.order('*', { hang: true });
  const dying = assert.rejects(upstream.page(DEMO), problem('upstream-timeout'));
  await up.waitFor('/simple/demo/', 2);
  upstream.reportSlow();
  await clock.advance(10_000);
  await dying;
  assert.equal(upstream.health().state, 'open');
  up.order('*');
  await until(upstream, 'closed', clock);
});

test('two pages that time out open it', async (t) => {
  const up = await fakeUpstream(t);
  up.order('*', { hang: true });
  const { upstream, clock } = await anUpstream(t, up.url);
  for (const state of ['closed', 'open']) {
    const dying = fail(upstream);
    await up.waitFor('*', up.requests() + 1);
    await clock.advance(10_000);
    await dying;
    assert.equal(upstream.health().state, state);
  }
});

/** A place where a process keeps its state for the next. */
function keptState() {
  let state: SavedHealth | undefined;
  const keeping = {
    loadState: async () => state,
    saveState: async (next: SavedHealth) => {
      await turn();
      state = next;
    },
  };
  return { keeping, saved: () => state };
}

test('its state outlives the process: a restart in an outage begins open and probes at once', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(wheel);
  const { keeping, saved } = keptState();
  const first = await anUpstream(t, up.url, keeping);
  await first.upstream.page(DEMO);
  await up.refuse();
  for (let i = 0; i < 3; i += 1) await fail(first.upstream, `p${i}`);
  const before = first.upstream.health();
  await first.upstream.stop();
  assert.equal(saved()?.state, 'open');
  const { upstream, clock } = await anUpstream(t, up.url, { ...keeping, clock: first.clock });
  const { retryAfter: _, ...kept } = before;
  assert.deepEqual(upstream.health(), { ...kept, retryAfter: 1 });
  await fail(upstream);
  assert.equal(up.requests(), 1);
  await up.accept();
  upstream.start();
  await until(upstream, 'closed', clock);
  await upstream.stop();
  assert.equal(saved()?.state, 'closed');
});

test('when it answered last is known after a restart, though nothing has changed', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(wheel);
  const { keeping } = keptState();
  const first = await anUpstream(t, up.url, keeping);
  await first.upstream.page(DEMO);
  const { lastSuccessAt } = first.upstream.health();
  assert.equal(lastSuccessAt, first.clock.nowMs());
  await first.upstream.stop();
  const { upstream } = await anUpstream(t, up.url, { ...keeping, clock: first.clock });
  assert.equal(upstream.health().lastSuccessAt, lastSuccessAt);
});

test('stop ends a probe that is under way', async (t) => {
  const up = await fakeUpstream(t);
  const { upstream, clock } = await anUpstream(t, up.url);
  await up.refuse();
  await fail(upstream);
  await up.accept();
  up.order('*', { hang: true });
  await clock.advance(1_000);
  await up.waitFor('*');
  await upstream.stop();
  assert.equal(clock.sleeping, 0);
});

test('requests that stop cuts say nothing of the upstream', async (t) => {
  const up = await fakeUpstream(t);
  up.order('*', { hang: true });
  const states: string[] = [];
  const { upstream } = await anUpstream(t, up.url, { saveState: async ({ state }) => void states.push(state) });
  const asked = ['a', 'b', 'c'].map((name) => assert.rejects(upstream.page(parseProjectName(name))));
  await up.waitFor('*', 3);
  await upstream.stop();
  await Promise.all(asked);
  assert.deepEqual([upstream.health().state, states], ['closed', []]);
});

test('who waited for a place while pages came slowly does not prove an outage', async (t) => {
  const up = await fakeUpstream(t);
  const { upstream, clock } = await anUpstream(t, up.url, { maxPages: 1, timeoutMs: 10_000 });
  const held = Promise.withResolvers<void>();
  up.order('/simple/demo/', { hold: held.promise });
  const slow = upstream.page(DEMO);
  await up.waitFor('/simple/demo/');
  const waiting = ['p1', 'p2', 'p3', 'p4'].map((name) => fail(upstream, name));
  await clock.untilSleeping(5);
  await clock.advance(9_000);
  held.resolve();
  assert.equal(await slow, 'absent');
  up.order('*', { hang: true });
  await clock.advance(1_000);
  await Promise.all(waiting);
  assert.equal(upstream.health().state, 'closed');
  const asked = [fail(upstream, 'p5'), fail(upstream, 'p6')];
  await clock.untilSleeping(2);
  await clock.advance(10_000);
  await Promise.all(asked);
  assert.equal(upstream.health().state, 'closed', 'one that was asked the whole time');
});

test('a page that the index sends on to a host that is down says little of the index', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(wheel);
  const { upstream } = await anUpstream(t, up.url);
  const elsewhere = await fakeUpstream(t);
  const address = `${elsewhere.url.replace('127.0.0.1', 'localhost')}there/`;
  await elsewhere.close();
  for (const name of ['there', 'there-too']) up.order(`/simple/${name}/`, { redirect: address });
  for (const name of ['there', 'there', 'there-too', 'there']) await fail(upstream, name);
  assert.equal(upstream.health().state, 'closed');
  assert.match(upstream.health().lastError ?? '', /connection refused/);
  assert.equal(typeof (await upstream.page(DEMO)), 'object');
});

test('a page that goes on failing has others asked for: one that comes clears the index', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(wheel);
  const { upstream, clock } = await anUpstream(t, up.url);
  await upstream.page(DEMO);
  up.order('/simple/demo/', { status: 403 });
  await fail(upstream);
  await clock.advance(3_000);
  await fail(upstream);
  assert.equal(up.requests('/simple/pip/'), 0, 'not yet');
  await clock.advance(1_000);
  await fail(upstream);
  await up.waitFor('/simple/pip/');
  // 404 is an answer, and the second is not asked for.
  while (upstream.health().lastSuccessAt !== clock.nowMs()) await turn();
  assert.equal(up.requests('/simple/setuptools/'), 0);
  assert.equal(upstream.health().state, 'closed');
});

test('a page that goes on failing has others asked for: when they fail as well it is an outage', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(wheel);
  const { upstream, clock } = await anUpstream(t, up.url);
  await upstream.page(DEMO);
  up.order('*', { status: 503 });
  await fail(upstream);
  await clock.advance(4_000);
  await fail(upstream);
  await up.waitFor('/simple/setuptools/');
  while (upstream.health().state !== 'open') await turn();
  up.order('*');
  await until(upstream, 'closed', clock);
});

test('names that the index refuses do not keep it closed off after a restart', async (t) => {
  const up = await fakeUpstream(t);
  const saved: SavedHealth = { state: 'open', since: 1_000, epoch: 0 };
  const { upstream, clock } = await anUpstream(t, up.url, { loadState: async () => saved });
  for (const name of ['a', 'b', 'c']) up.order(`/simple/${name}/`, { status: 403 });
  upstream.start();
  await until(upstream, 'closed', clock);
  for (const name of ['a', 'b', 'c']) await fail(upstream, name);
  assert.equal(upstream.health().state, 'open');
  await until(upstream, 'closed', clock);
});
