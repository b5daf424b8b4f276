import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts';
import { rawRequest } from '../support/raw-request.ts';
import { bearer } from '../support/test-access.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { type BuiltFile, makeWheel } from '../support/wheel.ts';
import { whileTimePasses } from '../support/while-time-passes.ts';

const MINUTE = 60_000;
const STORED = makeWheel({ name: 'demo', version: '1.0' });
const COLD = makeWheel({ name: 'demo', version: '2.0' });
const VIEWS = ['', '/index/main', '/at/2026-05-01', '/offline', '/index/main/at/2026-05-01/offline'];

async function withDemo(t: Parameters<typeof fakeUpstream>[0]) {
  const up = await fakeUpstream(t);
  up.project('demo').add(STORED, { provenance: true }).add(COLD, { provenance: true });
  const clock = new FakeClock();
  const app = await testApp(t, { upstream: up.url, clock });
  for (const name of [STORED.filename, `${STORED.filename}.metadata`]) {
    const answer = await app.get(`/simple/demo/${name}`);
    assert.equal(answer.status, 200);
    await answer.arrayBuffer();
  }
  return { up, clock, app };
}

/** Every way to ask for bytes of the project: whole, in part, on condition, its metadata, through each view. */
function waysToAsk(): readonly (readonly [path: string, init: RequestInit])[] {
  const inits: readonly RequestInit[] = [
    {},
    { method: 'HEAD' },
    { headers: { range: 'bytes=0-1' } },
    { headers: { range: 'bytes=-5', 'if-range': `"${STORED.sha256}"` } },
    { headers: { 'if-none-match': `"${STORED.sha256}"` } },
    { headers: { 'if-none-match': '*' } },
    { headers: { 'if-modified-since': new Date(2_000_000_000_000).toUTCString() } },
  ];
  const files = [STORED, COLD].flatMap(({ filename }) => [filename, `${filename}.metadata`]);
  return VIEWS.flatMap((view) =>
    files.flatMap((file) => inits.map((init) => [`${view}/simple/demo/${file}`, init] as const)),
  );
}

for (const [who, close] of [
  ['its upstream', (up: FakeUpstream) => up.project('demo').mark('quarantined')],
  [
    'an administrator',
    async (_up: FakeUpstream, app: TestApp) => {
      const body = JSON.stringify({ status: 'quarantined' });
      const path = '/admin/repositories/pypi/projects/demo';
      assert.equal((await app.admin(path, { method: 'PATCH', body })).status, 200);
    },
  ],
] as const) {
  test(`of a project that ${who} has quarantined nothing is had, stored or not, in whatever way it is asked for`, async (t) => {
    const { up, clock, app } = await withDemo(t);
    await close(up, app);
    await clock.advance(11 * MINUTE);
    const page = await whileTimePasses(clock, app.get('/simple/demo/'));
    assert.ok(!(await page.text()).includes('.whl'));
    let server = app;
    for (const phase of ['at once', 'after a restart']) {
      if (phase === 'after a restart') server = await app.restart();
      for (const [path, init] of waysToAsk()) {
        const answer = await server.get(path, init);
        const body = await answer.arrayBuffer();
        const what = `${phase}: ${init.method ?? 'GET'} ${path} ${JSON.stringify(init.headers ?? {})}`;
        assert.ok(answer.status === 403 || answer.status === 404, `${what}: ${answer.status}`);
        assert.ok(!Buffer.from(body).includes('PK'), what);
      }
      const json = (await (await server.get('/pypi/demo/json')).text()) || '{}';
      assert.ok(!json.includes('.whl'), json);
      const provenance = await server.get(`/integrity/demo/1.0/${STORED.filename}/provenance`);
      assert.ok([403, 404].includes(provenance.status), `provenance: ${provenance.status}`);
    }
  });
}

test('of two upstreams with files of one name each index gets the bytes, hash and metadata of its own', async (t) => {
  const [one, other] = [await fakeUpstream(t), await fakeUpstream(t)];
  const [mine, theirs] = ['mine', 'theirs'].map((description) =>
    makeWheel({ name: 'both', version: '1.0', description }),
  ) as [BuiltFile, BuiltFile];
  assert.equal(mine.filename, theirs.filename);
  one.project('both').add(mine);
  other.project('both').add(theirs);
  const app = await testApp(t, {
    config: {
      repositories: { a: { kind: 'upstream', url: one.url }, b: { kind: 'upstream', url: other.url } },
      indexes: { main: { repositories: ['a', 'b'] }, reversed: { repositories: ['b', 'a'] } },
    },
  });
  for (const _ of ['cold', 'stored']) {
    for (const [index, wheel] of [
      ['main', mine],
      ['reversed', theirs],
    ] as const) {
      const path = `/index/${index}/simple/both/`;
      assert.ok((await (await app.get(path)).text()).includes(wheel.sha256), index);
      for (const [file, bytes] of [
        [wheel.filename, wheel.bytes],
        [`${wheel.filename}.metadata`, wheel.metadata],
      ] as const) {
        assert.deepEqual(Buffer.from(await (await app.get(path + file)).arrayBuffer()), bytes, `${index} ${file}`);
      }
    }
  }
});

test('a token for other projects gets nothing of this one under any spelling of its address', async (t) => {
  const up = await fakeUpstream(t);
  const wheel = makeWheel({ name: 'acme-lib', version: '1.0' });
  up.project('acme-lib').add(wheel);
  const app = await testApp(t, { upstream: up.url, config: { access: { anonymous: [] } } });
  const body = JSON.stringify({ name: 'other', can: ['read', 'upload', 'admin'], projects: ['other-*'], apps: [] });
  const made = (await (await app.admin('/admin/tokens', { method: 'POST', body })).json()) as { token: string };
  assert.equal((await app.admin(`/simple/acme-lib/${wheel.filename}`)).status, 200);
  const names = [
    'acme-lib',
    'Acme_Lib',
    'ACME.LIB',
    'acme--lib',
    'acme%2Dlib',
    '%61cme-lib',
    'acme-lib%20',
    'acme-lib.',
  ];
  const files = [wheel.filename, wheel.filename.replace('acme_lib', 'Acme.Lib'), wheel.filename.replace('-', '%2D')];
  for (const name of names) {
    const paths = VIEWS.flatMap((view) => [
      `${view}/simple/${name}/`,
      `${view}//simple//${name}/`,
      `${view}/simple/${name}`,
      `${view}/simple/other-x/../${name}/`,
      `${view}/simple/other-x%2f..%2f${name}/`,
      `${view}/pypi/${name}/json`,
      `${view}/${name}/json`,
      ...files.flatMap((file) => [
        `${view}/simple/${name}/${file}`,
        `${view}/simple/${name}/${file}.metadata`,
        `${view}/integrity/${name}/1.0/${file}/provenance`,
      ]),
    ]);
    for (const path of [...paths, `/legacy/%2Bsimple/${name}`, `/admin/explain?project=${name}`]) {
      const answer = await rawRequest(app.url, { path, headers: { authorization: bearer(made.token) } });
      assert.ok([301, 400, 403, 404].includes(answer.status), `${path}: ${answer.status}`);
      assert.ok(!answer.body.includes('acme_lib-1.0'), `${path}: ${answer.body}`);
    }
    for (const method of ['PATCH', 'DELETE']) {
      const path = `/admin/repositories/local/projects/${name}/releases/1.0`;
      const headers = { authorization: bearer(made.token), 'content-type': 'application/json' };
      const answer = await rawRequest(app.url, { method, path, headers, body: '{"yanked":true}' });
      assert.ok([400, 403].includes(answer.status), `${method} ${path}: ${answer.status}`);
    }
  }
  const list = await app.get('/simple/', { headers: { authorization: bearer(made.token) } });
  assert.ok(!(await list.text()).includes('acme'), 'nor is it on the list');
});
