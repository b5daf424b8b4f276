import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { testApp } from '../support/test-app.ts';
import { makeSdist, makeWheel } from '../support/wheel.ts';

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';
const json = { headers: { accept: JSON_TYPE } };
const wheel = makeWheel({ name: 'Demo_Pkg', version: '1.0', requiresPython: '>=3.8' });
const sha256 = (bytes: ArrayBuffer | Buffer) =>
  createHash('sha256')
    .update(Buffer.from(bytes as ArrayBuffer))
    .digest('hex');

test('a page, a file and its metadata come through, and the second time without the upstream', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo-pkg').add(wheel, { uploadTime: '2024-05-01T10:00:00.123456Z' });
  const app = await testApp(t, { upstream: up.url, clock: new FakeClock() });

  const page = await app.get('/simple/demo-pkg/', json);
  assert.equal(page.status, 200);
  assert.equal(page.headers.get('content-type'), JSON_TYPE);
  assert.match(page.headers.get('cache-status') ?? '', /^stormcellar; fwd=miss/);
  const { files } = (await page.json()) as { files: Record<string, unknown>[] };
  assert.equal(files[0]?.url, wheel.filename);
  assert.equal(files[0]?.['upload-time'], '2024-05-01T10:00:00.123456Z');
  assert.equal(files[0]?.['requires-python'], '>=3.8');
  assert.deepEqual(files[0]?.hashes, { sha256: wheel.sha256 });

  const body = await app.get(`/simple/demo-pkg/${wheel.filename}`);
  assert.equal(body.status, 200);
  assert.equal(body.headers.get('content-encoding'), null);
  assert.equal(body.headers.get('etag'), `"${wheel.sha256}"`);
  assert.equal(sha256(await body.arrayBuffer()), wheel.sha256);

  await up.refuse();
  const again = await app.get(`/simple/demo-pkg/${wheel.filename}`);
  assert.equal(again.headers.get('cache-status'), 'stormcellar; hit');
  assert.equal(again.headers.get('content-length'), String(wheel.bytes.length));
  assert.equal(sha256(await again.arrayBuffer()), wheel.sha256);
  const metadata = await app.get(`/simple/demo-pkg/${wheel.filename}.metadata`);
  assert.equal(metadata.status, 200, 'metadata of a stored wheel, never asked for before');
  assert.deepEqual(Buffer.from(await metadata.arrayBuffer()), wheel.metadata);
});

test('whoever runs the server is told to the upstream, in whatever script the name is written', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo-pkg').add(wheel);
  const app = await testApp(t, { upstream: up.url, config: { contact: 'Łukasz\n<ops@acme.example>' } });
  assert.equal((await app.get('/simple/demo-pkg/')).status, 200);
  const [asked] = up.seen('/simple/demo-pkg/');
  assert.match(asked?.headers['user-agent'] ?? '', /^stormcellar\/\S+ \(%C5%81ukasz%0A<ops@acme\.example>\)$/);
});

test('without room to keep anything in memory it serves all the same', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo-pkg').add(wheel);
  const app = await testApp(t, { upstream: up.url, config: { limits: { pageCacheBytes: 0, fileCacheBytes: 0 } } });
  for (let time = 0; time < 2; time += 1) {
    assert.equal((await app.get('/simple/demo-pkg/')).status, 200);
    const body = await app.get(`/simple/demo-pkg/${wheel.filename}`);
    assert.equal(sha256(await body.arrayBuffer()), wheel.sha256);
  }
});

test('many who ask for one cold file and one cold page cost one fetch each', async (t) => {
  const up = await fakeUpstream(t);
  const big = makeWheel({ name: 'big', version: '1', padding: 2_000_000 });
  up.project('big').add(big);
  const app = await testApp(t, { upstream: up.url });
  const bodies = await Promise.all(
    Array.from({ length: 50 }, async () => sha256(await (await app.get(`/simple/big/${big.filename}`)).arrayBuffer())),
  );
  assert.deepEqual(new Set(bodies), new Set([big.sha256]));
  assert.equal(up.requests('/simple/big/'), 1);
  assert.equal(up.requests(`/files/${big.filename}`), 1);
});

test('what no page lists is 404, and nothing is asked of the file host', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo-pkg').add(wheel);
  const app = await testApp(t, { upstream: up.url });
  assert.equal((await app.get('/simple/demo-pkg/other-1.0-py3-none-any.whl')).status, 404);
  assert.equal((await app.get('/simple/nothing/')).status, 404);
  assert.equal((await app.get('/simple/nothing/x-1.0.tar.gz')).status, 404);
  assert.equal(up.requests('/files/*'), 0);
});

test('wrong bytes are not stored, never end cleanly, and the next try after a repair works', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo-pkg').add(wheel);
  const app = await testApp(t, { upstream: up.url });
  up.order(`/files/${wheel.filename}`, { corrupt: true });
  await assert.rejects(async () => (await app.get(`/simple/demo-pkg/${wheel.filename}`)).arrayBuffer());
  const offline = await app.get('/offline/simple/demo-pkg/', json);
  assert.equal(offline.status, 404, 'nothing of it is stored');
  up.order(`/files/${wheel.filename}`);
  const good = await app.get(`/simple/demo-pkg/${wheel.filename}`);
  assert.equal(sha256(await good.arrayBuffer()), wheel.sha256);
});

test('names in other spellings and missing slashes are redirected, relative and with the query', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo-pkg').add(wheel);
  const app = await testApp(t, { upstream: up.url });
  const cases: [string, string][] = [
    ['/simple/Demo_Pkg/', '../demo-pkg/'],
    ['/simple/demo-pkg', 'demo-pkg/'],
    ['/simple/demo.pkg?format=x', 'demo-pkg/?format=x'],
    ['/simple', 'simple/'],
    [`/simple/Demo_Pkg/${wheel.filename}`, `../demo-pkg/${wheel.filename}`],
  ];
  for (const [path, location] of cases) {
    const answer = await app.get(path);
    assert.equal(answer.status, 301, path);
    assert.equal(answer.headers.get('location'), location, path);
  }
  assert.equal((await app.get('/simple//demo-pkg/')).status, 200);
});

test('ranges of cold and stored files, HEAD, 304, 416', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo-pkg').add(wheel);
  const app = await testApp(t, { upstream: up.url });
  const path = `/simple/demo-pkg/${wheel.filename}`;
  for (const state of ['cold', 'stored']) {
    const head = await app.get(path, { method: 'HEAD' });
    assert.equal(head.status, 200, state);
    assert.equal(head.headers.get('content-length'), String(wheel.bytes.length));
    const part = await app.get(path, { headers: { range: 'bytes=-100' } });
    assert.equal(part.status, 206, state);
    const { length } = wheel.bytes;
    assert.equal(part.headers.get('content-range'), `bytes ${length - 100}-${length - 1}/${length}`);
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), wheel.bytes.subarray(-100));
    const beyond = await app.get(path, { headers: { range: `bytes=${length}-` } });
    assert.equal(beyond.status, 416, state);
    assert.equal(beyond.headers.get('content-range'), `bytes */${length}`);
    assert.equal(beyond.headers.get('etag'), null);
    const stale = await app.get(path, { headers: { range: 'bytes=0-1', 'if-range': '"other"' } });
    assert.equal(stale.status, 200, state);
    await stale.arrayBuffer();
    const same = await app.get(path, { headers: { 'if-none-match': `W/"x", "${wheel.sha256}"` } });
    assert.equal(same.status, 304, state);
  }
});

test('the views offline and at an instant hide on page and file alike', async (t) => {
  const up = await fakeUpstream(t);
  const old = makeWheel({ name: 'demo-pkg', version: '0.9' });
  const timeless = makeSdist({ name: 'demo-pkg', version: '0.1' });
  up.project('demo-pkg')
    .add(old, { uploadTime: '2023-01-01T00:00:00Z' })
    .add(wheel, { uploadTime: '2024-01-01T00:00:00Z' })
    .add(timeless, { uploadTime: null });
  const app = await testApp(t, { upstream: up.url });
  const past = (await (await app.get('/at/2023-06-01/simple/demo-pkg/', json)).json()) as { versions: string[] };
  assert.deepEqual(past.versions, ['0.9']);
  assert.equal((await app.get(`/at/2023-06-01/simple/demo-pkg/${wheel.filename}`)).status, 404);
  assert.equal((await app.get(`/at/2024-06-01T00:00:00Z/simple/demo-pkg/${timeless.filename}`)).status, 404);
  assert.equal((await app.get('/at/whenever/simple/demo-pkg/')).status, 400);
  await (await app.get(`/simple/demo-pkg/${wheel.filename}`)).arrayBuffer();
  assert.equal((await app.get(`/at/2023-06-01/simple/demo-pkg/${wheel.filename}`)).status, 404, 'stored as well');
  const offline = (await (await app.get('/offline/simple/demo-pkg/', json)).json()) as {
    files: { filename: string }[];
  };
  assert.deepEqual(
    offline.files.map((file) => file.filename),
    [wheel.filename],
  );
  assert.equal((await app.get(`/offline/simple/demo-pkg/${old.filename}`)).status, 404);
});

test('where upstream tells no upload times, an instant has what had been seen by then', async (t) => {
  const up = await fakeUpstream(t, { formats: 'html' });
  const later = makeWheel({ name: 'demo-pkg', version: '9.0' });
  up.project('demo-pkg').add(wheel);
  const clock = new FakeClock(Date.UTC(2026, 5, 1, 12));
  const app = await testApp(t, { upstream: up.url, clock });
  const versionsAt = async (instant: string, view = '') => {
    const answer = await app.get(`/at/${instant}${view}/simple/demo-pkg/`, json);
    const page = await answer.text();
    assert.doesNotMatch(page, /seen/i);
    return (JSON.parse(page) as { versions: string[] }).versions;
  };
  assert.deepEqual(await versionsAt('2026-06-01'), [wheel.version]);
  up.project('demo-pkg').add(later);
  await clock.advance(2 * 24 * 60 * 60_000, { wakes: false });
  assert.deepEqual((await versionsAt('2030-01-01')).toSorted(), [wheel.version, later.version].toSorted());
  assert.deepEqual(await versionsAt('2026-06-02'), [wheel.version]);
  assert.deepEqual(await versionsAt('2026-05-31'), []);
  for (const { filename } of [wheel, later]) await (await app.get(`/simple/demo-pkg/${filename}`)).arrayBuffer();
  assert.deepEqual(await versionsAt('2026-06-02', '/offline'), [wheel.version]);
  assert.equal((await app.get(`/at/2026-06-02/simple/demo-pkg/${wheel.filename}`)).status, 200);
  assert.equal((await app.get(`/at/2026-06-02/simple/demo-pkg/${later.filename}`)).status, 404);
});
