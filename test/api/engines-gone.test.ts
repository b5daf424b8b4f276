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
