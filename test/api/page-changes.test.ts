import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { makeSdist, makeWheel } from '../support/wheel.ts';

const json = { headers: { accept: 'application/vnd.pypi.simple.v1+json' } };

interface Page {
  readonly versions: readonly string[];
  readonly files: readonly { readonly filename: string; readonly yanked?: true | string }[];
  readonly 'project-status'?: { readonly status: string; readonly reason?: string };
}

async function pageOf(app: TestApp, name = 'demo'): Promise<Page> {
  const answer = await app.get(`/simple/${name}/`, json);
  assert.equal(answer.status, 200);
  return (await answer.json()) as Page;
}

for (const formats of ['json', 'html'] as const) {
  test(`what changes on a page in ${formats} is seen when it is asked again, and not before`, async (t) => {
    const up = await fakeUpstream(t, { formats });
    const wheel = makeWheel({ name: 'demo', version: '1.0' });
    up.project('demo').add(wheel);
    const clock = new FakeClock();
    const app = await testApp(t, { upstream: up.url, clock });
    await (await app.get(`/simple/demo/${wheel.filename}`)).arrayBuffer();
    const later = async () => {
      await clock.advance(10 * 60_000 + 1);
      return pageOf(app);
    };
    for (const [yanked, shown, attribute] of [
      [true, true, ' data-yanked=""'],
      ['broken "build"', 'broken "build"', ' data-yanked="broken &quot;build&quot;"'],
      ['', true, ' data-yanked=""'],
    ] as const) {
      up.project('demo').add(wheel, { yanked });
      assert.equal((await later()).files[0]?.yanked, shown, JSON.stringify(yanked));
      assert.ok((await (await app.get('/simple/demo/')).text()).includes(attribute), 'stored or not');
    }
    up.project('demo').add(wheel);
    assert.equal((await later()).files[0]?.yanked, undefined);

    up.project('demo').add(makeWheel({ name: 'demo', version: '2.0' }));
    assert.deepEqual((await pageOf(app)).versions, ['1.0'], 'still fresh');
    assert.deepEqual((await later()).versions.toSorted(), ['1.0', '2.0']);

    up.project('demo').mark('archived', 'moved away');
    assert.deepEqual((await later())['project-status'], { status: 'archived', reason: 'moved away' });
    assert.equal((await app.get(`/simple/demo/${wheel.filename}`)).status, 200, 'archived files are served');
    const html = await (await app.get('/simple/demo/')).text();
    assert.match(html, /<meta name="pypi:project-status" content="archived">/);
  });
}

test('a file that is new upstream is found by its address although the page is fresh', async (t) => {
  const up = await fakeUpstream(t);
  const [old, fresh] = [makeWheel({ name: 'demo', version: '1.0' }), makeWheel({ name: 'demo', version: '2.0' })];
  up.project('demo').add(old);
  const clock = new FakeClock();
  const app = await testApp(t, { upstream: up.url, clock });
  assert.deepEqual((await pageOf(app)).versions, ['1.0']);
  up.project('demo').add(fresh);
  await clock.advance(15_000);
  assert.equal((await app.get(`/simple/demo/${fresh.filename}`)).status, 200, 'as from a lock made elsewhere');
  assert.deepEqual((await pageOf(app)).versions.toSorted(), ['1.0', '2.0']);
});

test('an administrator may ask upstream now', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(makeWheel({ name: 'demo', version: '1.0' }));
  const app = await testApp(t, { upstream: up.url, clock: new FakeClock() });
  await pageOf(app);
  up.project('demo').add(makeWheel({ name: 'demo', version: '2.0' }));
  assert.equal((await app.admin('/admin/projects/demo/refresh', { method: 'POST' })).status, 200);
  assert.deepEqual((await pageOf(app)).versions.toSorted(), ['1.0', '2.0']);
});

test('old versions and kinds of files are listed as they are (trap 28)', async (t) => {
  const up = await fakeUpstream(t);
  const names = [
    'demo-2004d.tar.gz',
    'demo-1.0-1.tar.gz',
    'Demo-1.0.win32.exe',
    'demo-1.0-py2.7.egg',
    'demo-1.0.tar.bz2',
    'demo-1.0.0-py3-none-any.whl',
    'demo-latest.zip',
  ];
  const source = makeSdist({ name: 'demo', version: '1.0' });
  for (const filename of names) up.project('demo').add({ ...source, filename });
  const app = await testApp(t, { upstream: up.url });
  const { files, versions } = await pageOf(app);
  assert.deepEqual(
    files.map(({ filename }) => filename),
    names,
  );
  assert.equal(new Set(versions).size, versions.length);
  for (const filename of names) assert.equal((await app.get(`/simple/demo/${filename}`)).status, 200, filename);
  for (const path of ['/pypi/demo/json', '/pypi/demo/1.0/json', '/pypi/demo/1/json', '/pypi/demo/2004d/json'])
    assert.equal((await app.get(path)).status, 200, path);
  const html = await (await app.get('/simple/demo/')).text();
  for (const filename of names) assert.equal(html.split(`>${filename}</a>`).length, 2);
});

test('fifty who ask for one cold page cost one request, and for one name that is not there one as well', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(makeWheel({ name: 'demo', version: '1.0' }));
  const app = await testApp(t, { upstream: up.url });
  const pages = await Promise.all(Array.from({ length: 50 }, async () => (await app.get('/simple/demo/')).text()));
  assert.equal(new Set(pages).size, 1);
  assert.equal(up.requests('/simple/demo/'), 1);
  const missing = await Promise.all(Array.from({ length: 50 }, async () => (await app.get('/simple/nothing/')).status));
  assert.deepEqual(new Set(missing), new Set([404]));
  assert.equal(up.requests('/simple/nothing/'), 1);
});
