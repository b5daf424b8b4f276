import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts';
import { multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { type BuiltFile, makeWheel } from '../support/wheel.ts';
import { whileTimePasses } from '../support/while-time-passes.ts';

type Context = Parameters<typeof fakeUpstream>[0];

const json = { headers: { accept: 'application/vnd.pypi.simple.v1+json' } };

/** Two upstreams `a` and `b` and a hosted repository, looked through in different orders. */
async function stage(t: Context): Promise<{ a: FakeUpstream; b: FakeUpstream; app: TestApp; clock: FakeClock }> {
  const [a, b] = [await fakeUpstream(t), await fakeUpstream(t)];
  const clock = new FakeClock();
  const app = await testApp(t, {
    clock,
    config: {
      repositories: {
        local: { kind: 'hosted' },
        a: { kind: 'upstream', url: a.url },
        b: { kind: 'upstream', url: b.url },
      },
      indexes: {
        main: { repositories: ['local', 'a', 'b'], private: ['acme-*', 'secret'] },
        open: { repositories: ['b'], private: ['acme-tool', 'secret'] },
        ours: { repositories: ['local'], private: [] },
      },
    },
  });
  return { a, b, app, clock };
}

async function upload(app: TestApp, file: BuiltFile): Promise<void> {
  const body = multipart(partsOf(file));
  const answer = await app.admin('/legacy/', { method: 'POST', headers: multipartHeaders(body), body });
  assert.equal(answer.status, 200, await answer.text());
}

async function versions(app: TestApp, path: string): Promise<unknown> {
  const answer = await app.get(path, json);
  return answer.status === 200 ? ((await answer.json()) as { versions: string[] }).versions : answer.status;
}

test('each index looks through its own repositories, and the first that knows a name answers alone', async (t) => {
  const { a, b, app } = await stage(t);
  const [ours, fromA, fromB] = ['1.0', '2.0', '3.0'].map((version) => makeWheel({ name: 'corp-lib', version }));
  assert.ok(ours && fromA && fromB);
  a.project('corp-lib').add(fromA);
  b.project('corp-lib').add(fromB);
  assert.deepEqual(await versions(app, '/simple/corp-lib/'), ['2.0']);
  assert.equal((await app.get(`/simple/corp-lib/${fromB.filename}`)).status, 404, 'nothing is merged, files neither');
  assert.deepEqual(await versions(app, '/index/open/simple/corp-lib/'), ['3.0']);
  assert.equal(await versions(app, '/index/ours/simple/corp-lib/'), 404);
  await upload(app, ours);
  const asked = a.requests() + b.requests();
  assert.deepEqual(await versions(app, '/simple/corp-lib/'), ['1.0']);
  assert.deepEqual(await versions(app, '/index/main/simple/corp-lib/'), ['1.0']);
  assert.deepEqual(await versions(app, '/index/ours/simple/corp-lib/'), ['1.0']);
  assert.deepEqual(await versions(app, '/index/open/simple/corp-lib/'), ['3.0']);
  assert.equal((await app.get(`/simple/corp-lib/${fromA.filename}`)).status, 404);
  assert.equal((await app.get(`/index/open/simple/corp-lib/${ours.filename}`)).status, 404);
  assert.equal(a.requests() + b.requests(), asked, 'a name of ours is asked of nobody for this index');
  const refreshed = await app.admin('/admin/projects/corp-lib/refresh', { method: 'POST' });
  assert.deepEqual(
    await refreshed.json(),
    { project: 'corp-lib', refreshed: ['b'] },
    'by the index that has no hosted one',
  );
  assert.equal((await app.get('/index/nothing/simple/corp-lib/')).status, 404);
});

test('the view of what is stored has the same repository answer', async (t) => {
  const { a, b, app, clock } = await stage(t);
  const theirs = makeWheel({ name: 'moved', version: '9.0' });
  b.project('moved').add(theirs);
  assert.deepEqual(await versions(app, '/simple/moved/'), ['9.0']);
  await (await app.get(`/simple/moved/${theirs.filename}`)).arrayBuffer();
  assert.deepEqual(await versions(app, '/offline/simple/moved/'), ['9.0']);
  a.project('moved').add(makeWheel({ name: 'moved', version: '1.0' }));
  await clock.advance(11 * 60_000);
  assert.deepEqual(await versions(app, '/simple/moved/'), ['1.0']);
  assert.equal(await versions(app, '/offline/simple/moved/'), 404, 'of what answers now nothing is stored');
  assert.equal((await app.get(`/offline/simple/moved/${theirs.filename}`)).status, 404);
  assert.equal((await app.get(`/offline/simple/moved/${theirs.filename}.metadata`)).status, 404);
});

test('a private name is asked of no upstream, whatever the request', async (t) => {
  const { a, b, app } = await stage(t);
  for (const up of [a, b]) up.project('acme-tool').add(makeWheel({ name: 'acme-tool', version: '99.0' }));
  const file = 'acme_tool-99.0-py3-none-any.whl';
  const paths = ['', '/at/2030-01-01', '/offline', '/index/main'].flatMap((view) => [
    `${view}/simple/acme-tool/`,
    `${view}/simple/ACME_tool/`,
    `${view}/simple/acme-tool`,
    `${view}/simple/acme-tool/${file}`,
    `${view}/simple/acme-tool/${file}.metadata`,
    `${view}/pypi/acme-tool/json`,
    `${view}/pypi/acme-tool/99.0/json`,
    `${view}/acme-tool/json`,
    `${view}/integrity/acme-tool/99.0/${file}/provenance`,
    `${view}/legacy/+simple/acme-tool/`,
    `${view}/simple/secret/`,
  ]);
  for (const path of paths)
    for (const method of ['GET', 'HEAD']) {
      const { status } = await app.get(path, { method });
      assert.ok([301, 404].includes(status), `${method} ${path}: ${status}`);
    }
  const query = '/admin/explain?project=acme-tool';
  await (await app.admin(query)).text();
  const refreshed = () => app.admin('/admin/projects/acme-tool/refresh', { method: 'POST' }).then((r) => r.json());
  assert.deepEqual(await refreshed(), { project: 'acme-tool', refreshed: [] });
  assert.equal(a.requests(), 0);
  assert.equal(b.requests(), 0);

  const ours = makeWheel({ name: 'Acme.Tool', version: '1.0' });
  await upload(app, ours);
  assert.deepEqual(await versions(app, '/simple/acme-tool/'), ['1.0']);
  assert.deepEqual(await refreshed(), { project: 'acme-tool', refreshed: [] });
  assert.equal(a.requests() + b.requests(), 0);
});

test('a refresh asks those whose say it is, and says who was asked', async (t) => {
  const { a, b, app, clock } = await stage(t);
  a.project('both').add(makeWheel({ name: 'both', version: '1.0' }));
  b.project('both').add(makeWheel({ name: 'both', version: '2.0' }));
  assert.deepEqual(await versions(app, '/simple/both/'), ['1.0']);
  a.project('both').add(makeWheel({ name: 'both', version: '1.1' }));
  const answer = await app.admin('/admin/projects/Both/refresh', { method: 'POST' });
  assert.deepEqual(await answer.json(), { project: 'both', refreshed: ['a', 'b'] });
  assert.deepEqual(await versions(app, '/simple/both/'), ['1.0', '1.1']);
  await a.refuse();
  const failed = await whileTimePasses(clock, app.admin('/admin/projects/both/refresh', { method: 'POST' }));
  assert.equal(failed.status, 502);
});

test('an upstream that is down, about a name that it was never asked for, ends the search with 503', async (t) => {
  const { a, b, app, clock } = await stage(t);
  const wheel = makeWheel({ name: 'only-b', version: '1.0' });
  b.project('only-b').add(wheel);
  b.project('asked-before').add(makeWheel({ name: 'asked-before', version: '1.0' }));
  assert.deepEqual(await versions(app, '/simple/asked-before/'), ['1.0']);
  await a.refuse();
  const asked = b.requests();
  for (const path of ['/simple/only-b/', `/simple/only-b/${wheel.filename}`, '/pypi/only-b/json']) {
    const answer = await whileTimePasses(clock, app.get(path, { headers: { accept: 'application/problem+json' } }));
    assert.equal(answer.status, 503, path);
    assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/, path);
    const { type, detail } = (await answer.json()) as { type: string; detail: string };
    assert.equal(type, '/problems/earlier-index-unavailable');
    assert.match(detail, /"a".* Those after it are not asked in its place\.$/);
  }
  assert.equal(b.requests(), asked);
  // The last of an index has nobody behind it.
  await b.refuse();
  assert.equal((await whileTimePasses(clock, app.get('/index/open/simple/other/'))).status, 502);
  assert.deepEqual(await versions(app, '/simple/asked-before/'), ['1.0']);
});

test('an upstream that hangs keeps nobody from what those after it are known to have', async (t) => {
  const { a, b, app, clock } = await stage(t);
  for (const name of ['known', 'also-known']) b.project(name).add(makeWheel({ name, version: '1.0' }));
  b.project('never-asked').add(makeWheel({ name: 'never-asked', version: '1.0' }));
  for (const name of ['known', 'also-known']) assert.deepEqual(await versions(app, `/simple/${name}/`), ['1.0']);
  await clock.advance(11 * 60_000);
  for (const up of [a, b]) up.order('*', { hang: true });
  const began = clock.nowMs();
  assert.deepEqual(await whileTimePasses(clock, versions(app, '/simple/known/')), ['1.0']);
  assert.ok(clock.nowMs() - began <= 2_000, `${clock.nowMs() - began} ms`);
  const then = clock.nowMs();
  assert.deepEqual(await whileTimePasses(clock, versions(app, '/simple/also-known/')), ['1.0']);
  assert.ok(clock.nowMs() - then <= 500, `${clock.nowMs() - then} ms`);
  for (const path of ['/simple/never-asked/', '/integrity/never-asked/1.0/never_asked-1.0-py3-none-any.whl/provenance'])
    assert.equal((await whileTimePasses(clock, app.get(path))).status, 503, path);
  assert.equal(b.requests('/simple/never-asked/'), 0);
  a.order('*');
  b.order('*');
  a.project('known').add(makeWheel({ name: 'known', version: '2.0' }));
  let now: unknown;
  for (let tries = 0; tries < 200 && String(now) !== '2.0'; tries += 1) {
    await clock.advance(60_000);
    now = await whileTimePasses(clock, versions(app, '/simple/known/'));
  }
  assert.deepEqual(now, ['2.0'], 'it has its say again');
});

test('the project list names what an index has, and no private name of an upstream', async (t) => {
  const { a, b, app } = await stage(t);
  for (const name of ['one', 'two']) a.project(name).add(makeWheel({ name, version: '1' }));
  b.project('acme-other').add(makeWheel({ name: 'acme-other', version: '1' }));
  await upload(app, makeWheel({ name: 'acme-tool', version: '1.0' }));
  for (const name of ['one', 'two', 'missing']) await app.get(`/simple/${name}/`);
  await app.get('/index/open/simple/acme-other/');
  const names = async (path: string) => {
    const list = (await (await app.get(path, json)).json()) as { projects: { name: string }[] };
    return list.projects.map(({ name }) => name);
  };
  assert.deepEqual(await names('/simple/'), ['acme-tool', 'one', 'two']);
  assert.deepEqual(await names('/index/open/simple/'), ['acme-other']);
  assert.deepEqual(await names('/offline/simple/'), ['acme-tool']);
});

test('the view of what is stored asks no upstream, not even for provenance', async (t) => {
  const up = await fakeUpstream(t);
  const wheel = makeWheel({ name: 'demo', version: '1.0' });
  up.project('demo').add(wheel, { provenance: true, uploadTime: '2024-01-01T00:00:00Z' });
  const app = await testApp(t, { upstream: up.url });
  const path = `/integrity/demo/1.0/${wheel.filename}/provenance`;
  const answer = await app.get(path);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'application/vnd.pypi.integrity.v1+json');
  await (await app.get(`/simple/demo/${wheel.filename}`)).arrayBuffer();
  assert.equal((await app.get(`/at/2023-01-01${path}`)).status, 404, 'not there yet');
  assert.equal((await app.get(`/at/2024-02-01${path}`)).status, 200);
  assert.equal((await app.get('/integrity/demo/2.0/demo-2.0-py3-none-any.whl/provenance')).status, 404);
  assert.equal((await app.get(`/integrity/demo/2.0/${wheel.filename}/provenance`)).status, 404);
  const asked = up.requests();
  for (const offline of [path, '/pypi/demo/json', '/simple/demo/', '/simple/unknown/', '/demo/json', '/simple/'])
    assert.ok([200, 404].includes((await app.get(`/offline${offline}`)).status), offline);
  assert.equal((await app.get(`/offline${path}`)).status, 404);
  assert.equal(up.requests(), asked);
});
