import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { startSharedEngines } from '../support/many-nodes.ts';
import { multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import type { TestApp } from '../support/test-app.ts';
import { type BuiltFile, makeWheel } from '../support/wheel.ts';

const engines = await startSharedEngines();
after(() => engines.stop());

const JSON_PAGE = 'application/vnd.pypi.simple.v1+json';
const mine = makeWheel({ name: 'mine', version: '1.0' });
const kept = makeWheel({ name: 'demo', version: '1.0' });
const other = makeWheel({ name: 'demo', version: '2.0' });

describe('PostgreSQL gone', { skip: engines.skip }, () => {
  for (const [how, away] of [
    ['refuses', 'refuse'],
    ['is silent', 'silence'],
  ] as const) {
    it(`and ${how}: what was asked before goes on, the rest is 503, and it comes back by itself`, async (t) => {
      const { cellar, node, reader } = await used(t);
      const paths = ['/simple/mine/', `/simple/mine/${mine.filename}`, `/simple/mine/${mine.filename}.metadata`].concat(
        ['/simple/demo/', `/simple/demo/${kept.filename}`, `/simple/demo/${kept.filename}.metadata`],
        ['/offline/simple/demo/', `/index/main/simple/demo/${kept.filename}`],
      );
      const before = await Promise.all(paths.map((path) => reader(path)));
      cellar.lines.database[away]();

      const during = await Promise.all(paths.map((path) => reader(path)));
      for (const [index, { status, body, cacheStatus, etag }] of during.entries()) {
        assert.equal(status, 200, paths[index]);
        assert.match(cacheStatus, /fwd=stale; detail=catalog-down/, paths[index]);
        assert.deepEqual([body, etag], [before[index]?.body, before[index]?.etag]);
      }
      for (const path of [
        '/simple/never/',
        `/simple/demo/${other.filename}`,
        `/offline/simple/demo/${other.filename}`,
        '/simple/mine/mine-9.tar.gz',
        '/simple/',
        '/offline/simple/',
      ]) {
        const { status, retryAfter } = await reader(path);
        assert.deepEqual([status, retryAfter], [503, '5'], path);
      }
      assert.equal((await node.get('/simple/mine/', { headers: { authorization: 'Bearer unknown' } })).status, 401);
      const stranger = { headers: { authorization: `Bearer sct_${'x'.repeat(43)}` } };
      assert.ok([401, 503].includes((await node.get('/simple/mine/', stranger)).status));
      assert.equal((await node.get('/livez')).status, 200);
      const ready = await node.get('/readyz');
      assert.equal(ready.status, 503);
      assert.match(await ready.text(), /catalog: The catalog is not available/);
      if (away === 'refuse') assert.equal(await upload(node, makeWheel({ name: 'mine', version: '2.0' })), 503);

      cellar.lines.database.heal();
      while ((await node.get('/readyz')).status !== 200);
      const again = await Promise.all(paths.map((path) => reader(path)));
      for (const { status, cacheStatus } of again) {
        assert.equal(status, 200);
        assert.doesNotMatch(cacheStatus, /catalog-down/);
      }
      assert.equal((await reader('/simple/never/')).status, 404);
      assert.equal(await upload(node, makeWheel({ name: 'mine', version: '2.0' })), 200);
      assert.match((await reader('/simple/mine/')).body.toString(), /2\.0/);
    });
  }

  it('a page that has changed since it was rendered here is served as it was', async (t) => {
    const { cellar, node, reader } = await used(t);
    const before = await reader('/simple/mine/');
    const second = await cellar.node({ config: { access: { anonymous: [] } } });
    assert.equal(await upload(second, makeWheel({ name: 'mine', version: '2.0' })), 200);
    // The node knows of the change, but has not rendered it.
    assert.equal((await reader('/simple/mine/mine-9.tar.gz')).status, 404);
    cellar.lines.database.refuse();
    const during = await reader('/simple/mine/');
    assert.deepEqual([during.status, during.body, during.etag], [200, before.body, before.etag]);
    assert.match(during.cacheStatus, /catalog-down/);
    cellar.lines.database.heal();
    while ((await node.get('/readyz')).status !== 200);
    assert.match((await reader('/simple/mine/')).body.toString(), /2\.0/);
  });

  it('a token that was revoked before stays revoked', async (t) => {
    const { cellar, node, reader } = await used(t);
    const second = await cellar.node({ config: { access: { anonymous: [] } } });
    const { tokens } = (await (await second.admin('/admin/tokens')).json()) as { tokens: { id: string }[] };
    assert.equal((await second.admin(`/admin/tokens/${tokens[0]?.id}`, { method: 'DELETE' })).status, 204);
    // What the node does of its own accord once a second.
    assert.equal((await node.admin('/simple/mine/')).status, 200);
    cellar.lines.database.refuse();
    assert.ok([401, 503].includes((await reader('/simple/mine/')).status));
    assert.equal((await node.get('/livez')).status, 200);
  });
});

describe('S3 gone', { skip: engines.skip }, () => {
  it('what was stored or asked here goes on, then comes from upstream, else 503 and never 404; and all is well when it is back', async (t) => {
    const up = await fakeUpstream(t);
    const cold = makeWheel({ name: 'demo', version: '3.0' });
    up.project('demo').add(kept).add(other).add(cold);
    const cellar = await engines.cellar(t);
    const [here, there] = [await cellar.node({ upstream: up.url }), await cellar.node({ upstream: up.url })];
    const files = [
      ['mine', mine],
      ['demo', kept],
      ['demo', other],
    ] as const;
    const paths = files.flatMap(([name, { filename }]) => [
      `/simple/${name}/${filename}`,
      `/simple/${name}/${filename}.metadata`,
    ]);
    const expected = files.flatMap(([, file]) => [file.bytes, file.metadata]);
    assert.equal(await upload(here, mine), 200);
    for (const path of paths) await bodyOf(here, path);
    const before = await cellar.query('SELECT * FROM file ORDER BY filename');
    cellar.lines.store.refuse();

    const local = await Promise.all(paths.map((path) => bodyOf(here, path)));
    assert.deepEqual(local, expected);
    const asked = up.requests(`/files/${kept.filename}`);
    const remote = await Promise.all(paths.map((path) => there.get(path)));
    assert.deepEqual(
      remote.map(({ status }) => status),
      [503, 503, 200, 200, 200, 200],
    );
    assert.ok(Number(remote[0]?.headers.get('retry-after')) >= 1);
    for (const answer of remote.slice(2)) {
      assert.equal(answer.headers.get('cache-status'), 'stormcellar; fwd=miss; detail=storage-down');
    }
    const bodies = await Promise.all(remote.map(async (answer) => Buffer.from(await answer.arrayBuffer())));
    assert.deepEqual(bodies.slice(2), expected.slice(2));
    assert.equal(up.requests(`/files/${kept.filename}`), asked + 1);
    const part = await there.get(paths[2] ?? '', { headers: { range: 'bytes=2-5' } });
    assert.deepEqual([part.status, Buffer.from(await part.arrayBuffer())], [206, kept.bytes.subarray(2, 6)]);
    assert.equal((await there.get(`/offline${paths[2]}`)).status, 503, 'offline never asks upstream');
    assert.equal((await there.get(paths[0] ?? '', { method: 'HEAD' })).status, 200);

    assert.deepEqual(await bodyOf(there, `/simple/demo/${cold.filename}`), cold.bytes);
    assert.equal(await upload(there, makeWheel({ name: 'mine', version: '2.0' })), 503);
    assert.deepEqual(await cellar.query('SELECT * FROM file ORDER BY filename'), before, 'no row without bytes');
    const ready = await there.get('/readyz');
    assert.equal(ready.status, 503);
    assert.match(await ready.text(), /storage: The storage is not available/);

    up.project('demo').remove(other.filename);
    up.order('*', { status: 500 });
    assert.equal((await there.get(paths[2] ?? '')).status, 503);
    up.order('*');
    cellar.lines.store.heal();
    assert.equal((await there.get('/readyz')).status, 200);
    assert.deepEqual(await Promise.all(paths.map((path) => bodyOf(there, path))), expected);
    assert.deepEqual(await bodyOf(there, `/simple/demo/${cold.filename}`), cold.bytes);
    assert.equal(await upload(there, makeWheel({ name: 'mine', version: '2.0' })), 200);
    assert.equal((await cellar.query('SELECT * FROM file')).length, before.length + 2);
  });
});

async function bodyOf(node: TestApp, path: string): Promise<Buffer> {
  const answer = await node.get(path);
  assert.equal(answer.status, 200, path);
  return Buffer.from(await answer.arrayBuffer());
}

/** A node on which things were asked before by somebody with a token: nothing is public. */
async function used(t: Parameters<typeof engines.cellar>[0]) {
  const up = await fakeUpstream(t);
  up.project('demo').add(kept).add(other);
  const cellar = await engines.cellar(t);
  const node = await cellar.node({ upstream: up.url, config: { access: { anonymous: [] } } });
  assert.equal(await upload(node, mine), 200);
  const made = await node.admin('/admin/tokens', { method: 'POST', body: '{"name":"reader","can":["read"]}' });
  const { token } = (await made.json()) as { token: string };
  const reader = async (path: string) => {
    const answer = await node.get(path, { headers: { authorization: `Bearer ${token}`, accept: JSON_PAGE } });
    return {
      status: answer.status,
      body: Buffer.from(await answer.arrayBuffer()),
      etag: answer.headers.get('etag'),
      cacheStatus: answer.headers.get('cache-status') ?? '',
      retryAfter: answer.headers.get('retry-after'),
    };
  };
  for (const path of ['/simple/demo/', `/simple/demo/${kept.filename}`, `/simple/demo/${kept.filename}.metadata`]) {
    assert.equal((await reader(path)).status, 200);
  }
  return { cellar, node, reader, up };
}

async function upload(node: TestApp, file: BuiltFile): Promise<number> {
  const body = multipart(partsOf(file));
  return (await node.admin('/legacy/', { method: 'POST', headers: multipartHeaders(body), body })).status;
}
