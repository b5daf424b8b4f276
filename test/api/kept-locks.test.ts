import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { A1, B1, lockOf, NATIVE_SDIST, pins, mirrorWorld as world } from '../support/mirror-world.ts';
import { finished, mirror, post } from '../support/mirroring.ts';
import { type TestApp, testApp } from '../support/test-app.ts';

const HOUR = 60 * 60_000;

interface LockAnswer {
  readonly name: string;
  readonly ready: boolean;
  readonly since: string;
  readonly checkedAt: string;
  readonly version: string;
  readonly missing: readonly { readonly why: string }[];
  readonly versions?: readonly { readonly version: string }[];
  readonly watch: { readonly url: string; readonly error: string | null } | null;
}

async function locksOf(app: TestApp): Promise<readonly LockAnswer[]> {
  const answer = await app.admin('/admin/locks');
  assert.equal(answer.status, 200);
  return ((await answer.json()) as { locks: LockAnswer[] }).locks;
}

async function setStatus(app: TestApp, project: string, status: string | null): Promise<void> {
  const body = JSON.stringify({ status });
  const answer = await app.admin(`/admin/repositories/pypi/projects/${project}`, { method: 'PATCH', body });
  assert.equal(answer.status, 200, await answer.text());
}

/** Lets time pass until the server has come to what a test waits for. `look` asks it, so that time does not run ahead of the network. */
async function until<T>(clock: FakeClock, look: () => Promise<T | undefined>, stepMs = 1000): Promise<T> {
  for (let i = 0; i < 3000; i += 1) {
    const found = await look();
    if (found !== undefined) return found;
    await clock.advance(stepMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error('it did not come to that');
}

/** A webhook that answers with these statuses, one after the other, and then 200. */
async function webhook(t: { after(fn: () => Promise<void>): void }, ...statuses: number[]) {
  const posts: { headers: Record<string, unknown>; body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    posts.push({ headers: request.headers, body });
    response.writeHead(statuses.shift() ?? 200).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, posts };
}

test('a kept lock is listed with its versions, and dropped', async (t) => {
  const { app } = await world(t);
  assert.deepEqual(await locksOf(app), []);
  const first = { ...lockOf(pins(A1)), keep: 'shop' };
  assert.equal((await mirror(app, first)).state, 'succeeded');
  const [kept] = await locksOf(app);
  assert.deepEqual([kept?.name, kept?.ready, kept?.missing], ['shop', true, []]);
  await mirror(app, { ...lockOf(pins(A1, B1)), keep: 'shop' });
  const one = (await (await app.admin('/admin/locks/shop')).json()) as LockAnswer;
  assert.equal(one.versions?.length, 2);
  assert.equal(one.version, one.versions?.[0]?.version);
  const old = await app.admin(`/admin/locks/shop/text?version=${one.versions?.[1]?.version}`);
  assert.equal(await old.text(), first.content);
  // What cannot be had leaves the version that can.
  assert.equal((await mirror(app, { ...lockOf('absent==1\n'), keep: 'shop' })).state, 'failed');
  assert.equal((await locksOf(app))[0]?.version, one.version);
  // A first version is kept all the same, so that somebody sees it.
  assert.equal((await mirror(app, { ...lockOf('absent==1\n'), keep: 'new' })).state, 'failed');
  assert.deepEqual(
    (await locksOf(app)).map(({ name, ready }) => [name, ready]),
    [
      ['new', false],
      ['shop', true],
    ],
  );
  assert.equal((await app.admin('/admin/locks/shop', { method: 'DELETE' })).status, 204);
  assert.equal((await app.admin('/admin/locks/shop', { method: 'DELETE' })).status, 404);
  assert.equal((await app.admin('/admin/locks/shop')).status, 404);
  const events = (await (await app.admin('/admin/events?subject=lock/shop')).json()) as { events: { kind: string }[] };
  assert.deepEqual(
    events.events.map(({ kind }) => kind),
    ['lock-dropped', 'lock-kept', 'lock-kept'],
  );
});

test('a lock that stops being ready is told to the webhook, signed, until it listens', async (t) => {
  const hook = await webhook(t, 500, 302);
  const clock = new FakeClock();
  const { app } = await world(t, {
    clock,
    config: { notify: { url: hook.url, secret: 'key' }, jobs: { recheckLocksEvery: '1m' } },
  });
  await mirrorInTime(app, clock, { ...lockOf(pins(A1)), keep: 'shop' });
  const before = (await locksOf(app))[0]?.since;
  await setStatus(app, 'alpha', 'quarantined');
  const lock = await until(clock, async () => (await locksOf(app)).find(({ ready }) => !ready));
  assert.equal(lock.missing[0]?.why, 'the project is quarantined');
  assert.notEqual(lock.since, before);
  const told = async () => ((await app.get('/livez')).ok && hook.posts.length >= 3 ? true : undefined);
  await until(clock, told, 250);
  for (const { headers, body } of hook.posts) {
    const signature = createHmac('sha256', 'key').update(body).digest('hex');
    assert.equal(headers['x-stormcellar-signature'], `sha256=${signature}`);
    const { event, lock: name, missingCount } = JSON.parse(body) as Record<string, unknown>;
    assert.deepEqual([event, name, missingCount], ['lock-not-ready', 'shop', 1]);
  }
  await setStatus(app, 'alpha', null);
  const { checkedAt } = await until(clock, async () => (await locksOf(app)).find(({ ready }) => ready));
  await until(clock, async () => (await locksOf(app)).find((each) => each.checkedAt !== checkedAt));
  const deliveries = new Set(hook.posts.map(({ headers }) => headers['x-stormcellar-delivery']));
  assert.equal(deliveries.size, 1, 'told once');
});

test('kept locks are checked after a garbage collection', async (t) => {
  const { app } = await world(t);
  await mirror(app, { ...lockOf(pins(A1)), keep: 'shop' });
  await setStatus(app, 'alpha', 'quarantined');
  const gc = await app.admin('/admin/gc', { method: 'POST' });
  await finished(app, gc.headers.get('location') ?? '');
  const jobs = async () =>
    ((await (await app.admin('/admin/jobs')).json()) as { jobs: { id: string; kind: string }[] }).jobs;
  const check = (await jobs()).findLast(({ kind }) => kind === 'check-locks');
  await finished(app, `/admin/jobs/${check?.id}`);
  for (const { id, kind } of await jobs()) if (kind === 'check-locks') await finished(app, `/admin/jobs/${id}`);
  assert.equal((await locksOf(app))[0]?.ready, false);
});

test('no garbage collection takes what a kept lock needs, though upstream has dropped it all and the job is forgotten', async (t) => {
  const clock = new FakeClock();
  const up = await fakeUpstream(t);
  up.project('alpha').add(A1);
  up.project('native').add(NATIVE_SDIST);
  up.project('beta').add(B1);
  const host = new URL(up.filesUrl).host;
  const app = await testApp(t, { clock, upstream: up.url, config: { fetch: { allowHosts: [host] } } });
  const source = `beta @ ${up.filesUrl}${B1.filename} --hash=sha256:${B1.sha256}\n`;
  const call = { ...lockOf(pins(A1, NATIVE_SDIST) + source), sdists: true };
  await mirrorInTime(app, clock, { ...call, keep: 'shop' });
  await mirrorInTime(app, clock, lockOf(pins(A1)));
  for (const file of [A1, NATIVE_SDIST]) up.project(file.name).remove(file.filename);
  await up.refuse();
  await clock.advance(40 * 24 * HOUR, { wakes: false });
  const later = clock.nowMs();
  for (const kind of ['collect-garbage', 'prune-jobs', 'check-locks']) {
    await until(clock, async () => {
      const { jobs } = (await (await app.admin('/admin/jobs')).json()) as {
        jobs: { kind: string; state: string; createdAt: string }[];
      };
      const done = jobs.filter(({ state, createdAt }) => state === 'succeeded' && Date.parse(createdAt) >= later);
      return done.some((job) => job.kind === kind) || undefined;
    });
  }
  const { jobs } = (await (await app.admin('/admin/jobs')).json()) as { jobs: { kind: string }[] };
  assert.ok(!jobs.some(({ kind }) => kind === 'mirror-lock'), 'the jobs are forgotten');
  const proof = (await (await post(app, '/admin/drill', call)).json()) as { ready: boolean; missing: unknown[] };
  assert.deepEqual([proof.ready, proof.missing], [true, []]);
  for (const file of [A1, NATIVE_SDIST]) {
    const answer = await app.get(`/offline/simple/${file.name}/${file.filename}`);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), file.bytes);
  }
  assert.equal((await app.get(`/offline/simple/alpha/${A1.filename}.metadata`)).status, 200);
  assert.equal((await app.get(`/sources/beta/${B1.filename}`)).status, 200);
  assert.equal((await locksOf(app))[0]?.ready, true);
});

test('a watched lock is mirrored anew when its text changes', async (t) => {
  const clock = new FakeClock();
  let text = `-r base.txt\n${pins(A1)}`;
  const parts = { 'base.txt': '# nothing more\n' };
  let status = 200;
  const { up, app } = await world(t, { clock });
  const server = createServer((_request, response) => response.writeHead(status).end(text));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await app.stop();
  const { app: watching } = await world(t, {
    clock,
    dataDir: app.dataDir,
    upstream: up.url,
    config: { fetch: { allowHosts: [host] } },
  });
  const watch = { url: `http://${host}/requirements.txt`, every: '1h' };
  await mirrorInTime(watching, clock, { ...lockOf(text), parts, keep: 'shop', watch });
  const first = (await locksOf(watching))[0]?.version;
  status = 503;
  await clock.advance(HOUR);
  const failed = await until(clock, async () => (await locksOf(watching)).find((lock) => lock.watch?.error != null));
  assert.match(failed.watch?.error ?? '', /answers 503/);
  status = 200;
  text = `-r base.txt\n${pins(A1, B1)}`;
  await clock.advance(HOUR);
  const next = await until(clock, async () => (await locksOf(watching)).find(({ version }) => version !== first));
  assert.deepEqual([next.ready, next.watch], [true, { ...next.watch, url: watch.url, error: null }]);
  text = '-r base.txt\nbeta==9\n';
  await clock.advance(HOUR);
  const unmirrored = await until(clock, async () =>
    (await locksOf(watching)).find((lock) => lock.watch?.error != null),
  );
  assert.deepEqual([unmirrored.ready, unmirrored.version], [true, next.version]);
  assert.match(unmirrored.watch?.error ?? '', /^What it has now could not be mirrored, .* beta 9 could not be had/);
  text = `-r base.txt\n${pins(A1, B1)}`;
  await clock.advance(HOUR);
  await until(clock, async () => (await locksOf(watching)).find((lock) => lock.watch?.error === null));
});

async function mirrorInTime(app: TestApp, clock: FakeClock, call: Parameters<typeof mirror>[1]): Promise<void> {
  const answer = await post(app, '/admin/mirror', call);
  assert.equal(answer.status, 202, await answer.clone().text());
  const path = answer.headers.get('location') ?? '';
  const job = await until(clock, async () => {
    const seen = (await (await app.admin(path)).json()) as { state: string };
    return seen.state === 'queued' || seen.state === 'running' ? undefined : seen;
  });
  assert.equal(job.state, 'succeeded', JSON.stringify(job));
}
