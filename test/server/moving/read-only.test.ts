import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { all, type Catalog, run } from '../../../server/catalog/catalog.ts';
import { openPostgres } from '../../../server/catalog/postgres.ts';
import { refusingWhenReadOnly, setReadOnly } from '../../../server/catalog/read-only.ts';
import { sql } from '../../../server/catalog/schema.ts';
import { openSqlite } from '../../../server/catalog/sqlite.ts';
import { makeBundle } from '../../support/bundle.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { fakeUpstream } from '../../support/fake-upstream.ts';
import { startSharedEngines } from '../../support/many-nodes.ts';
import { multipart, multipartHeaders, partsOf } from '../../support/multipart.ts';
import { runCli } from '../../support/run-cli.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { type TestApp, testApp } from '../../support/test-app.ts';
import { MIGRATIONS_DIR } from '../../support/test-catalog.ts';
import { startTestPostgres } from '../../support/test-postgres.ts';
import { type BuiltFile, makeWheel } from '../../support/wheel.ts';
import { whileTimePasses } from '../../support/while-time-passes.ts';

const [postgres, engines] = await Promise.all([startTestPostgres(), startSharedEngines()]);
after(async () => {
  await postgres.stop();
  await engines.stop();
});

const on = { on: true, why: 'a test', actor: { name: 'ada' }, now: 5 };
const insert = (digest: string) =>
  run(sql.insertInto('blob').values({ digest, size: 1, stored_at: 1, doomed_at: null }));

describe('read-only, as every catalog has it', () => {
  for (const engine of ['sqlite', 'postgres'] as const) {
    it(`refuses what begins after it, on every node: ${engine}`, {
      skip: engine === 'postgres' && postgres.skip,
    }, async (t) => {
      const [one, other] = await twoCatalogs(t, engine);
      const node = refusingWhenReadOnly(other);
      await node.write(() => insert('a'));
      await one.write(() => setReadOnly(on));
      await assert.rejects(
        node.write(() => insert('b')),
        { slug: 'read-only', status: 503, retryAfter: 30, detail: /^Nothing is written here .*\(a test\)/ },
      );
      assert.equal((await node.read(() => all(sql.selectFrom('blob').selectAll()))).length, 1);
      await one.write(() => setReadOnly({ ...on, on: false }));
      await node.write(() => insert('b'));
      const kinds = await one.read(() => all(sql.selectFrom('event').select('kind').orderBy('id')));
      assert.deepEqual(
        kinds.map(({ kind }) => kind),
        ['read-only-begun', 'read-only-ended'],
      );
    });
  }

  it('waits for writes that are under way: none is committed after it', { skip: postgres.skip }, async (t) => {
    const [one, other] = await twoCatalogs(t, 'postgres');
    const node = refusingWhenReadOnly(other);
    const order: string[] = [];
    let begin: Promise<unknown> | undefined;
    await node.write(function* () {
      yield* insert('a');
      // Holds on to the state from its first statement on.
      begin ??= one.write(() => setReadOnly(on)).then(() => order.push('read-only'));
      for (let turn = 0; turn < 50; turn += 1) yield* all(sql.selectFrom('blob').selectAll());
      assert.deepEqual(order, []);
      yield* insert('b');
    });
    await begin;
    const rows = await one.read(() => all(sql.selectFrom('blob').selectAll()));
    assert.equal(rows.length, 2);
    await assert.rejects(
      node.write(() => insert('c')),
      { slug: 'read-only' },
    );
  });
});

describe('a read-only server', () => {
  it('goes on reading, and answers 503 with Retry-After to whoever writes', async (t) => {
    const upstream = await fakeUpstream(t);
    const known = makeWheel({ name: 'known', version: '1.0' });
    const later = makeWheel({ name: 'known', version: '2.0' });
    upstream.project('known').add(known);
    const app = await testApp(t, { upstream: upstream.url, upstreamKeys: { freshFor: '1ms' } });
    const mine = makeWheel({ name: 'mine', version: '1.0' });
    assert.equal((await upload(app, mine)).status, 200);
    assert.equal((await app.get(`/simple/known/${known.filename}`)).status, 200);
    const env = { STORMCELLAR_URL: app.url, STORMCELLAR_TOKEN: app.token };
    const set = await runCli(['read-only', 'on', '--why', 'backup until 9'], env);
    assert.deepEqual([set.status, set.stderr], [0, '']);
    assert.match(set.stdout, /^read-only since .* by .*: backup until 9\n$/);

    upstream.project('known').add(later);
    for (const path of [
      `/simple/mine/${mine.filename}`,
      '/simple/mine/',
      '/simple/known/',
      `/simple/known/${known.filename}`,
    ]) {
      assert.equal((await app.get(path)).status, 200, path);
    }
    const refused = await upload(app, makeWheel({ name: 'mine', version: '2.0' }));
    assert.equal(refused.status, 503);
    assert.equal(refused.headers.get('retry-after'), '30');
    assert.match(await refused.text(), /backup until 9/);
    const { bytes, filename } = makeBundle('shop', '1.0', {});
    const bundle = await app.admin(`/bundles/shop/1.0/${filename}`, { method: 'PUT', body: bytes });
    assert.equal(bundle.status, 503);
    assert.equal(((await bundle.json()) as { type: string }).type, '/problems/read-only');
    assert.equal((await app.admin('/admin/gc', { method: 'POST' })).status, 503);

    const ready = (await (await app.get('/readyz')).json()) as { status: string; warnings: string[] };
    assert.equal(ready.status, 'ready');
    assert.match(ready.warnings[0] ?? '', /^writes are refused since .*: backup until 9$/);

    // An outage of upstream on top of it: what it was found to be cannot be kept, and need not be.
    await upstream.refuse();
    for (let round = 0; round < 5; round += 1) assert.equal((await app.get('/simple/known/')).status, 200);
    await upstream.accept();
    const again = await app.restart();
    assert.equal((await upload(again, makeWheel({ name: 'mine', version: '2.0' }))).status, 503);
    const off = await again.admin('/admin/read-only', { method: 'POST', body: '{"on":false}' });
    assert.deepEqual(await off.json(), { on: false });
    assert.equal((await upload(again, makeWheel({ name: 'mine', version: '2.0' }))).status, 200);
    assert.equal((await again.get(`/simple/known/${later.filename}`)).status, 200);
  });

  it('is so on every node, those that start meanwhile included', { skip: engines.skip }, async (t) => {
    const upstream = await fakeUpstream(t);
    const wheel = makeWheel({ name: 'demo', version: '1.0' });
    upstream.project('demo').add(wheel);
    const cellar = await engines.cellar(t);
    const options = {
      upstream: upstream.url,
      config: { indexes: { main: { repositories: ['local', 'pypi', 'unset'] } } },
    };
    const unset = { kind: 'upstream', url: 'auto' };
    const repositories = { local: { kind: 'hosted' }, pypi: { kind: 'upstream', url: upstream.url }, unset };
    const one = await cellar.node({ ...options, config: { ...options.config, repositories } });
    assert.equal((await one.get(`/simple/demo/${wheel.filename}`)).status, 200);
    await one.admin('/admin/read-only', { method: 'POST', body: '{"on":true}' });
    const other = await cellar.node({ ...options, config: { ...options.config, repositories } });
    assert.equal((await other.get('/readyz')).status, 200);
    assert.equal((await other.get(`/simple/demo/${wheel.filename}`)).status, 200);
    assert.equal((await other.get('/simple/demo/')).status, 200);
    assert.equal((await upload(other, makeWheel({ name: 'mine', version: '1.0' }))).status, 503);
    await other.admin('/admin/read-only', { method: 'POST', body: '{"on":false}' });
    assert.equal((await upload(one, makeWheel({ name: 'mine', version: '1.0' }))).status, 200);
  });

  it('passes on what it may not keep', async (t) => {
    const upstream = await fakeUpstream(t);
    const wheel = makeWheel({ name: 'fresh', version: '1.0' });
    upstream.project('fresh').add(wheel);
    const app = await testApp(t, { upstream: upstream.url });
    assert.equal((await app.get('/simple/fresh/')).status, 200);
    await app.admin('/admin/read-only', { method: 'POST', body: '{"on":true}' });
    const file = await app.get(`/simple/fresh/${wheel.filename}`);
    assert.equal(file.status, 200);
    assert.deepEqual(Buffer.from(await file.arrayBuffer()), wheel.bytes);
    assert.equal((await app.get(`/offline/simple/fresh/${wheel.filename}`)).status, 404);
  });

  it('serves a kept page that is due, and does not say that upstream has failed', async (t) => {
    const upstream = await fakeUpstream(t);
    upstream.project('demo').add(makeWheel({ name: 'demo', version: '1.0' }));
    const clock = new FakeClock();
    const app = await testApp(t, { upstream: upstream.url, clock });
    assert.equal((await app.get('/simple/demo/')).status, 200);
    await app.admin('/admin/read-only', { method: 'POST', body: '{"on":true}' });
    await clock.advance(3_600_000);
    for (const _ of ['asks upstream', 'does not ask again at once']) {
      const page = await app.get('/simple/demo/');
      assert.deepEqual(
        [page.status, page.headers.get('cache-status')],
        [200, 'stormcellar; fwd=stale; detail=not-kept'],
      );
    }
    assert.equal(upstream.requests('/simple/demo/'), 2);
  });

  it('passes on projects that nobody had asked for, page, metadata and file, and keeps them when it may again', async (t) => {
    const upstream = await fakeUpstream(t);
    const wheel = makeWheel({ name: 'fresh', version: '1.0' });
    upstream.project('fresh').add(wheel);
    const clock = new FakeClock();
    const app = await testApp(t, { upstream: upstream.url, clock });
    await app.admin('/admin/read-only', { method: 'POST', body: '{"on":true}' });
    assert.equal((await app.get('/simple/unknown/')).status, 404, 'as upstream says');
    await passes(app, wheel);
    const { files } = await pageOf(app, 'fresh');
    assert.deepEqual(
      files.map(({ filename, yanked }) => [filename, yanked]),
      [[wheel.filename, undefined]],
    );
    const page = await app.get('/simple/fresh/');
    assert.equal(page.headers.get('cache-status'), 'stormcellar; hit; detail=not-kept');
    const json = (await (await app.get('/pypi/fresh/json')).json()) as { info: { version: string } };
    assert.equal(json.info.version, '1.0');
    assert.equal((await app.get('/simple/fresh/fresh-9.0-py3-none-any.whl')).status, 404);
    assert.equal((await app.get('/offline/simple/fresh/')).status, 404);
    assert.equal(upstream.requests('/simple/fresh/'), 1, 'once for all of it');

    upstream.project('fresh').add(makeWheel({ name: 'fresh', version: '2.0' }));
    await clock.advance(61_000);
    assert.equal((await pageOf(app, 'fresh')).files.length, 2, 'a minute later it is asked again');
    await upstream.refuse();
    await clock.advance(61_000);
    const down = await whileTimePasses(clock, app.get('/simple/fresh/'));
    assert.ok([502, 503, 504].includes(down.status), 'it was not kept');
    await upstream.accept();

    await app.admin('/admin/read-only', { method: 'POST', body: '{"on":false}' });
    await clock.advance(120_000);
    await passes(app, wheel);
    assert.match((await app.get('/simple/fresh/')).headers.get('cache-status') ?? '', /^stormcellar; hit$/);
    await upstream.refuse();
    const again = await app.restart();
    await passes(again, wheel);
    assert.deepEqual(await readdir(join(app.dataDir, 'spool')).catch(() => []), []);
  });

  it('passes them on from several nodes as well', { skip: engines.skip }, async (t) => {
    const upstream = await fakeUpstream(t);
    const wheel = makeWheel({ name: 'fresh', version: '1.0' });
    upstream.project('fresh').add(wheel);
    const cellar = await engines.cellar(t);
    const nodes = [await cellar.node({ upstream: upstream.url }), await cellar.node({ upstream: upstream.url })];
    await nodes[0]?.admin('/admin/read-only', { method: 'POST', body: '{"on":true}' });
    for (const node of nodes) await passes(node, wheel);
  });

  it('takes orders of administrators only, and whole ones', async (t) => {
    const app = await testApp(t);
    assert.equal((await app.get('/admin/read-only')).status, 401);
    assert.equal((await app.get('/admin/read-only', { method: 'POST', body: '{"on":true}' })).status, 401);
    for (const body of ['{}', '{"on":"yes"}', '{"on":true,"who":"me"}', 'x']) {
      assert.equal((await app.admin('/admin/read-only', { method: 'POST', body })).status, 400, body);
    }
    assert.deepEqual(await (await app.admin('/admin/read-only')).json(), { on: false });
    const wrong = await runCli(['read-only', 'maybe'], { STORMCELLAR_URL: app.url, STORMCELLAR_TOKEN: app.token });
    assert.equal(wrong.status, 2);
  });
});

async function passes(app: TestApp, wheel: BuiltFile): Promise<void> {
  const path = `/simple/${wheel.name}/${wheel.filename}`;
  for (const [asked, bytes] of [
    [`${path}.metadata`, wheel.metadata],
    [path, wheel.bytes],
  ] as const) {
    const answer = await app.get(asked);
    assert.equal(answer.status, 200, asked);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), bytes, asked);
  }
}

async function pageOf(app: TestApp, name: string) {
  const headers = { accept: 'application/vnd.pypi.simple.v1+json' };
  const answer = await app.get(`/simple/${name}/`, { headers });
  assert.equal(answer.status, 200);
  return (await answer.json()) as { files: { filename: string; yanked?: unknown }[] };
}

async function twoCatalogs(
  t: { after(fn: () => Promise<void>): void },
  engine: 'sqlite' | 'postgres',
): Promise<[Catalog, Catalog]> {
  const path = join(await tempDir(t), 'catalog.sqlite');
  const url = engine === 'postgres' ? await postgres.database() : '';
  const open = () =>
    engine === 'postgres'
      ? openPostgres({ url, migrationsDir: MIGRATIONS_DIR, poolSize: 4 })
      : openSqlite({ path, migrationsDir: MIGRATIONS_DIR });
  const catalogs: [Catalog, Catalog] = [await open(), await open()];
  t.after(async () => {
    for (const catalog of catalogs) await catalog.close();
  });
  return catalogs;
}

async function upload(app: TestApp, file: BuiltFile): Promise<Response> {
  const body = multipart(partsOf(file));
  return await app.admin('/legacy/', { method: 'POST', headers: multipartHeaders(body), body });
}
