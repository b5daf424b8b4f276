import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { makeBundle } from '../support/bundle.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { startSharedEngines } from '../support/many-nodes.ts';
import { multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { spoolsOf } from '../support/spools.ts';
import type { TestApp } from '../support/test-app.ts';
import { type BuiltFile, makeWheel } from '../support/wheel.ts';

const engines = await startSharedEngines();
after(() => engines.stop());

const JSON_PAGE = { headers: { accept: 'application/vnd.pypi.simple.v1+json' } };
const ADMIN_PROJECT = '/admin/repositories/local/projects/demo';

interface Page {
  readonly versions: readonly string[];
  readonly files: readonly { readonly filename: string; readonly yanked?: true | string }[];
  readonly 'project-status'?: { readonly status: string };
}

describe('a change made on one node is seen by the next request on another', { skip: engines.skip }, () => {
  it('uploads, yanks, deletes', async (t) => {
    const { one, other } = await twoNodes(t);
    const first = makeWheel({ name: 'demo', version: '1.0' });
    const second = makeWheel({ name: 'demo', version: '2.0' });
    // Each node has looked before, so that it remembers what is about to change.
    for (const [here, there] of [
      [one, other],
      [other, one],
    ] as const) {
      const name = here === one ? 'demo' : 'demo2';
      const [a, b] = here === one ? [first, second] : ['1.0', '2.0'].map((version) => makeWheel({ name, version }));
      assert.ok(a && b);
      assert.equal((await there.get(`/simple/${name}/`)).status, 404);
      assert.equal((await there.get(`/simple/${name}/${a.filename}`)).status, 404);
      assert.equal(await upload(here, a), 200);
      assert.deepEqual((await pageOf(there, name)).versions, ['1.0']);
      assert.deepEqual(await bytesOf(there, `/simple/${name}/${a.filename}`), a.bytes);
      assert.deepEqual(await bytesOf(there, `/simple/${name}/${a.filename}.metadata`), a.metadata);
      assert.equal(await upload(here, b), 200);
      assert.deepEqual((await pageOf(there, name)).versions, ['1.0', '2.0']);
    }
    assert.equal(await send(one, 'PATCH', `${ADMIN_PROJECT}/releases/1.0`, { yanked: 'bad' }), 200);
    assert.equal((await pageOf(other)).files.find((file) => file.filename === first.filename)?.yanked, 'bad');
    assert.equal(await send(other, 'PATCH', `${ADMIN_PROJECT}/releases/1.0`, { yanked: false }), 200);
    assert.equal((await pageOf(one)).files.find((file) => file.filename === first.filename)?.yanked, undefined);
    assert.equal(await send(one, 'PATCH', ADMIN_PROJECT, { status: 'quarantined' }), 200);
    assert.equal((await other.get(`/simple/demo/${first.filename}`)).status, 403);
    assert.equal(await send(one, 'PATCH', ADMIN_PROJECT, { status: null }), 200);
    assert.equal((await other.get(`/simple/demo/${first.filename}`)).status, 200);
    assert.equal(await send(one, 'DELETE', `${ADMIN_PROJECT}/files/${first.filename}`), 204);
    assert.deepEqual((await pageOf(other)).versions, ['2.0']);
    assert.equal((await other.get(`/simple/demo/${first.filename}`)).status, 404);
    assert.equal(await upload(other, makeWheel({ name: 'demo', version: '1.0', description: 'other' })), 409);
  });

  it('promotions and rollbacks', async (t) => {
    const { one, other } = await twoNodes(t);
    const bundles = ['0.1', '0.2'].map((version) => ({ version, ...makeBundle('myapp', version, {}) }));
    for (const { version, bytes } of bundles) {
      const path = `/bundles/myapp/${version}/myapp-${version}.tar.gz?channel=production`;
      assert.equal((await one.admin(path, { method: 'PUT', body: bytes })).status, 201);
      assert.deepEqual(await bytesOf(other, '/bundles/myapp/@production/download'), bytes);
    }
    const channel = '/bundles/myapp/channels/production';
    assert.equal((await other.admin(`${channel}/rollback`, { method: 'POST' })).status, 200);
    assert.deepEqual(await bytesOf(one, '/bundles/myapp/@production/download'), bundles[0]?.bytes);
    assert.equal(await send(one, 'PUT', channel, { version: '0.2', expected: '0.1' }), 200);
    assert.deepEqual(await bytesOf(other, '/bundles/myapp/@production/download'), bundles[1]?.bytes);
    assert.equal(await send(other, 'PUT', channel, { version: '0.1', expected: '0.1' }), 412);
  });

  it('new and revoked tokens', async (t) => {
    const { one, other } = await twoNodes(t, { config: { access: { anonymous: [] } } });
    assert.equal(await upload(one, makeWheel({ name: 'demo', version: '1.0' })), 200);
    for (const [here, there] of [
      [one, other],
      [other, one],
    ] as const) {
      const body = JSON.stringify({ name: 'reader', can: ['read'] });
      const made = await here.admin('/admin/tokens', { method: 'POST', body });
      const { id, token } = (await made.json()) as { id: string; token: string };
      const asReader = { headers: { authorization: `Bearer ${token}` } };
      for (const node of [there, here, there]) assert.equal((await node.get('/simple/demo/', asReader)).status, 200);
      assert.equal((await here.admin(`/admin/tokens/${id}`, { method: 'DELETE' })).status, 204);
      for (const node of [there, here]) assert.equal((await node.get('/simple/demo/', asReader)).status, 401);
    }
  });

  it('pages that were refreshed, files that were pulled through, a quarantine that is overruled', async (t) => {
    const up = await fakeUpstream(t);
    const first = makeWheel({ name: 'demo', version: '1.0' });
    up.project('demo').add(first);
    const { one, other } = await twoNodes(t, { upstream: up.url });
    assert.deepEqual((await pageOf(one)).versions, ['1.0']);
    assert.deepEqual((await pageOf(other)).versions, ['1.0']);
    assert.equal(up.requests('/simple/demo/'), 1);
    assert.deepEqual(await bytesOf(one, `/simple/demo/${first.filename}`), first.bytes);
    assert.deepEqual(await bytesOf(other, `/simple/demo/${first.filename}`), first.bytes);
    assert.equal(up.requests(`/files/${first.filename}`), 1);
    assert.deepEqual((await pageOf(other, 'demo', '/offline')).versions, ['1.0']);

    up.project('demo').add(makeWheel({ name: 'demo', version: '2.0' }));
    assert.equal((await one.admin('/admin/projects/demo/refresh', { method: 'POST' })).status, 200);
    assert.deepEqual((await pageOf(other)).versions.toSorted(), ['1.0', '2.0']);
    assert.equal(await etagOf(one), await etagOf(other));

    up.project('demo').mark('quarantined');
    assert.equal((await other.admin('/admin/projects/demo/refresh', { method: 'POST' })).status, 200);
    assert.deepEqual((await pageOf(one)).files, []);
    assert.equal((await one.get(`/simple/demo/${first.filename}`)).status, 403);
    const override = '/admin/repositories/pypi/projects/demo';
    assert.equal(await send(one, 'PATCH', override, { status: 'active', reason: 'looked at it' }), 200);
    assert.equal((await pageOf(other)).files.length, 2);
    assert.deepEqual(await bytesOf(other, `/simple/demo/${first.filename}`), first.bytes);
    assert.equal(await send(other, 'PATCH', override, { status: null }), 200);
    assert.equal((await one.get(`/simple/demo/${first.filename}`)).status, 403);
  });
});

describe('nodes of one cellar', { skip: engines.skip }, () => {
  it('know of an outage that one of them has found, and render the same page in it', async (t) => {
    const up = await fakeUpstream(t);
    const kept = makeWheel({ name: 'demo', version: '1.0' });
    up.project('demo')
      .add(kept)
      .add(makeWheel({ name: 'demo', version: '2.0' }));
    const clock = new FakeClock(Date.now());
    const { cellar, one, other } = await twoNodes(t, { upstream: up.url, clock });
    assert.deepEqual(await bytesOf(one, `/simple/demo/${kept.filename}`), kept.bytes);
    const well = await etagOf(other);
    await up.refuse();
    let status = 0;
    const asked = one.get('/simple/a/').then((answer) => {
      ({ status } = answer);
    });
    // Not faster than the database answers, or it counts as silent.
    await until(clock, async () => (await one.get('/readyz')).ok && status > 0);
    await asked;
    assert.equal(status, 502);
    assert.equal(await conditionOf(one), 'open');
    await until(clock, async () => (await conditionOf(other)) === 'open');
    up.order('*', { status: 503 });
    await up.accept();
    const before = up.requests('/simple/never/');
    assert.equal((await other.get('/simple/never/')).status, 502);
    assert.equal(up.requests('/simple/never/'), before);
    const [here, there] = [await one.get('/simple/demo/', JSON_PAGE), await other.get('/simple/demo/', JSON_PAGE)];
    assert.equal(here.headers.get('etag'), there.headers.get('etag'));
    assert.notEqual(here.headers.get('etag'), well);
    assert.match(await there.text(), /not stored here, and pypi has not answered since/);

    const itsClock = new FakeClock(Date.now());
    const third = await cellar.node({ upstream: up.url, clock: itsClock });
    assert.equal(await conditionOf(third), 'open');
    assert.equal(await etagOf(third), here.headers.get('etag'));
    up.order('*');
    for (const [node, time] of [
      [third, itsClock],
      [other, clock],
    ] as const) {
      await until(time, async () => (await conditionOf(node)) === 'closed');
    }
    assert.deepEqual([await etagOf(third), await etagOf(other)], [well, well]);
  });
});

describe('nodes with one folder', { skip: engines.skip }, () => {
  it('leave each other what they write: one that starts sweeps away nothing of one that runs', async (t) => {
    const up = await fakeUpstream(t);
    const big = makeWheel({ name: 'demo', version: '1.0', padding: 400_000 });
    up.project('demo').add(big);
    const cellar = await engines.cellar(t);
    const one = await cellar.node({ upstream: up.url });
    const rest = Promise.withResolvers<void>();
    up.order(`/files/${big.filename}`, { holdAfter: { bytes: 100_000, until: rest.promise } });
    const pulled = await one.get(`/simple/demo/${big.filename}`);
    assert.equal((await spoolsOf(one)).length, 1);
    const other = await cellar.node({ upstream: up.url, dataDir: one.dataDir });
    assert.equal((await spoolsOf(one)).length, 1);
    rest.resolve();
    assert.deepEqual(Buffer.from(await pulled.arrayBuffer()), big.bytes);
    await up.refuse();
    assert.deepEqual(await bytesOf(other, `/simple/demo/${big.filename}`), big.bytes);
    await one.stop();
    await other.stop();
    assert.deepEqual(await spoolsOf(one), []);
  });
});

describe('a page that is due', { skip: engines.skip }, () => {
  it('is asked for once, however many ask on however many nodes', async (t) => {
    const up = await fakeUpstream(t);
    const { one, other } = await twoNodes(t, { upstream: up.url });
    for (const [name, status] of [
      ['demo', 200],
      ['absent', 404],
    ] as const) {
      if (status === 200) up.project(name).add(makeWheel({ name, version: '1.0' }));
      const answer = Promise.withResolvers<void>();
      up.order(`/simple/${name}/`, { hold: answer.promise });
      const asked = [one, other, one, other].map((node) => node.get(`/simple/${name}/`, JSON_PAGE));
      await up.waitFor(`/simple/${name}/`);
      answer.resolve();
      const answers = await Promise.all(asked);
      assert.deepEqual(
        answers.map((one) => one.status),
        asked.map(() => status),
      );
      assert.equal(up.requests(`/simple/${name}/`), 1);
    }
  });

  it('comes from what is kept when another node takes too long over it, and by itself when that has died', async (t) => {
    const up = await fakeUpstream(t);
    up.project('demo').add(makeWheel({ name: 'demo', version: '1.0' }));
    const upstreamKeys = { freshFor: '50ms', staleAfter: '50ms', timeout: '1s' };
    const { cellar, one } = await twoNodes(t, { upstream: up.url, upstreamKeys });
    assert.equal((await one.get('/simple/demo/')).status, 200);
    up.project('demo').add(makeWheel({ name: 'demo', version: '2.0' }));
    const until = Date.now() + 3_600_000;
    await cellar.query(
      `INSERT INTO page_refresh VALUES ('demo', 'pypi', 'dead', ${until}), ('new', 'pypi', 'dead', ${until})`,
    );
    const unknown = await one.get('/simple/new/');
    assert.equal(unknown.status, 504);
    assert.ok(Number(unknown.headers.get('retry-after')) >= 1);
    const stale = await one.get('/simple/demo/', JSON_PAGE);
    assert.match(stale.headers.get('cache-status') ?? '', /fwd=stale/);
    assert.deepEqual(((await stale.json()) as Page).versions, ['1.0']);
    await cellar.query('UPDATE page_refresh SET held_until = 1');
    assert.equal((await one.get('/simple/new/')).status, 404);
    assert.equal((await one.admin('/admin/projects/demo/refresh', { method: 'POST' })).status, 200);
    assert.deepEqual((await pageOf(one)).versions.toSorted(), ['1.0', '2.0']);
  });
});

/** Lets time pass until it is so. */
async function until(clock: FakeClock, isSo: () => Promise<boolean>): Promise<void> {
  for (let steps = 0; !(await isSo()); steps += 1) {
    assert.ok(steps < 2_000, 'it never came to that');
    await clock.advance(250);
    await new Promise(setImmediate);
  }
}

async function conditionOf(node: TestApp): Promise<string | undefined> {
  const ready = (await (await node.get('/readyz')).json()) as { upstreams: { breaker: string }[] };
  return ready.upstreams[0]?.breaker;
}

async function twoNodes(t: Parameters<typeof engines.cellar>[0], options: Parameters<SharedNode>[0] = {}) {
  const cellar = await engines.cellar(t);
  const [one, other] = [await cellar.node(options), await cellar.node(options)];
  return { cellar, one, other };
}

type SharedNode = Awaited<ReturnType<typeof engines.cellar>>['node'];

async function upload(node: TestApp, file: BuiltFile): Promise<number> {
  const body = multipart(partsOf(file));
  return (await node.admin('/legacy/', { method: 'POST', headers: multipartHeaders(body), body })).status;
}

async function send(node: TestApp, method: string, path: string, body?: unknown): Promise<number> {
  return (await node.admin(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })).status;
}

async function pageOf(node: TestApp, name = 'demo', view = ''): Promise<Page> {
  const answer = await node.get(`${view}/simple/${name}/`, JSON_PAGE);
  assert.equal(answer.status, 200);
  return (await answer.json()) as Page;
}

async function etagOf(node: TestApp): Promise<string | null> {
  return (await node.get('/simple/demo/', JSON_PAGE)).headers.get('etag');
}

async function bytesOf(node: TestApp, path: string): Promise<Buffer> {
  const answer = await node.get(path);
  assert.equal(answer.status, 200, path);
  return Buffer.from(await answer.arrayBuffer());
}
