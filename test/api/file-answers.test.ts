import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts';
import { multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { rawRequest } from '../support/raw-request.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { type BuiltFile, makeSdist, makeWheel } from '../support/wheel.ts';

type Context = Parameters<typeof fakeUpstream>[0];

const UPLOADED = '2024-05-01T10:00:00.123456Z';
const HTTP_DATE = 'Wed, 01 May 2024 10:00:00 GMT';
const wheel = makeWheel({ name: 'Demo_Pkg', version: '1.0', padding: 50_000 });
const sdist = makeSdist({ name: 'Demo_Pkg', version: '1.0' });
const { bytes } = wheel;
const last = bytes.length - 1;
const etag = `"${wheel.sha256}"`;

interface Stage {
  readonly up: FakeUpstream;
  readonly app: TestApp;
  readonly path: string;
}

async function cold(t: Context): Promise<Stage> {
  const up = await fakeUpstream(t, { files: 'other' });
  up.project('demo-pkg').add(wheel, { uploadTime: UPLOADED }).add(sdist, { uploadTime: UPLOADED });
  const app = await testApp(t, { upstream: up.url, clock: new FakeClock() });
  return { up, app, path: `/simple/demo-pkg/${wheel.filename}` };
}

async function stored(t: Context): Promise<Stage> {
  const stage = await cold(t);
  await (await stage.app.get(stage.path)).arrayBuffer();
  await stage.up.refuse();
  return stage;
}

async function hosted(t: Context): Promise<Stage> {
  const up = await fakeUpstream(t);
  const app = await testApp(t, { upstream: up.url, clock: new FakeClock(Date.parse(HTTP_DATE)) });
  await upload(app, wheel);
  return { up, app, path: `/simple/demo-pkg/${wheel.filename}` };
}

async function upload(app: TestApp, file: BuiltFile): Promise<void> {
  const body = multipart(partsOf(file));
  const answer = await app.admin('/legacy/', { method: 'POST', headers: multipartHeaders(body), body });
  assert.equal(answer.status, 200, await answer.text());
}

/** Request headers, and what is to come: status, `Content-Range` and the part of the file. */
type Case = readonly [Record<string, string>, number, string | null, number?, number?];

const part = (start: number, end: number): [number, string, number, number] => [
  206,
  `bytes ${start}-${end}/${bytes.length}`,
  start,
  end,
];

const CASES: readonly Case[] = [
  [{}, 200, null],
  [{ range: 'bytes=0-9' }, ...part(0, 9)],
  [{ range: 'bytes=100-' }, ...part(100, last)],
  [{ range: 'bytes=-10000' }, ...part(bytes.length - 10_000, last)],
  [{ range: 'bytes=-9999999' }, ...part(0, last)],
  [{ range: `bytes=${last}-` }, ...part(last, last)],
  [{ range: `bytes=10-${bytes.length + 5}` }, ...part(10, last)],
  [{ range: 'bytes=0-0' }, ...part(0, 0)],
  [{ range: `bytes=${bytes.length}-` }, 416, `bytes */${bytes.length}`],
  [{ range: 'bytes=-0' }, 416, `bytes */${bytes.length}`],
  [{ range: 'bytes=0-1,5-6' }, 200, null],
  [{ range: 'bytes=9-5' }, 200, null],
  [{ range: 'bytes=a-b' }, 200, null],
  [{ range: 'chunks=0-1' }, 200, null],
  [{ range: 'bytes=99999999999999999999-' }, 416, `bytes */${bytes.length}`],
  [{ range: 'bytes=10-99999999999999999999' }, ...part(10, last)],
  [{ range: 'Bytes=0-9' }, ...part(0, 9)],
  [{ range: 'bytes=5-9', 'if-range': etag }, ...part(5, 9)],
  [{ range: 'bytes=5-9', 'if-range': `W/${etag}` }, 200, null],
  [{ range: 'bytes=5-9', 'if-range': '"other"' }, 200, null],
  [{ range: 'bytes=5-9', 'if-range': HTTP_DATE }, ...part(5, 9)],
  [{ range: 'bytes=5-9', 'if-range': 'Wed, 01 May 2024 10:00:01 GMT' }, 200, null],
  [{ range: 'bytes=5-9', 'if-range': 'yesterday' }, 200, null],
  [{ 'if-none-match': etag }, 304, null],
  [{ 'if-none-match': `"a", W/${etag}` }, 304, null],
  [{ 'if-none-match': '*' }, 304, null],
  [{ 'if-none-match': '"other"' }, 200, null],
  [{ 'if-none-match': etag, range: 'bytes=0-1' }, 304, null],
  [{ 'if-match': etag, range: 'bytes=0-9' }, ...part(0, 9)],
  [{ 'if-match': `"other", ${etag}` }, 200, null],
  [{ 'if-match': '*' }, 200, null],
  [{ 'if-match': '"other"' }, 412, null],
  [{ 'if-match': `W/${etag}`, range: 'bytes=0-9' }, 412, null],
  [{ 'if-modified-since': HTTP_DATE }, 304, null],
  [{ 'if-modified-since': 'Wed, 01 May 2024 09:59:59 GMT' }, 200, null],
  [{ 'if-modified-since': HTTP_DATE, 'if-none-match': '"other"' }, 200, null],
  [{ 'if-modified-since': 'yesterday' }, 200, null],
  [{ 'if-unmodified-since': HTTP_DATE, range: 'bytes=0-9' }, ...part(0, 9)],
  [{ 'if-unmodified-since': 'Wed, 01 May 2024 09:59:59 GMT' }, 412, null],
  [{ 'if-unmodified-since': 'Wed, 01 May 2024 09:59:59 GMT', 'if-match': etag }, 200, null],
  [{ 'accept-encoding': 'gzip, deflate, zstd' }, 200, null],
];

for (const [state, stageOf] of Object.entries({ cold, stored, hosted })) {
  test(`a ${state} file: GET and HEAD, whole, in part and on condition`, async (t) => {
    const shared = await stageOf(t);
    for (const [headers, status, contentRange, start = 0, end = last] of CASES) {
      // A file is cold only once.
      const { app, path } = state === 'cold' ? await stageOf(t) : shared;
      const what = JSON.stringify(headers);
      const head = await app.get(path, { method: 'HEAD', headers });
      assert.equal(head.status, status === 304 || status === 412 ? status : 200, `HEAD ${what}`);
      const answer = await app.get(path, { headers });
      assert.equal(answer.status, status, what);
      assert.equal(answer.headers.get('content-range'), contentRange, what);
      assert.equal(answer.headers.get('content-encoding'), null, what);
      const body = Buffer.from(await answer.arrayBuffer());
      if (status === 416 || status === 412) continue;
      if (status !== 304) {
        assert.equal(answer.headers.get('content-length'), String(end - start + 1), what);
        assert.equal(head.headers.get('content-length'), String(bytes.length), `HEAD ${what}`);
        assert.ok(body.equals(bytes.subarray(start, end + 1)), what);
      }
      for (const each of [head, answer]) {
        assert.equal(each.headers.get('etag'), etag, what);
        assert.equal(each.headers.get('accept-ranges'), 'bytes', what);
        assert.match(each.headers.get('cache-control') ?? '', /^public, .*immutable/, what);
        assert.equal(each.headers.get('last-modified'), HTTP_DATE, what);
        assert.equal(each.headers.get('x-content-type-options'), 'nosniff');
        assert.equal(each.headers.get('access-control-allow-origin'), '*');
        assert.equal(each.headers.get('content-disposition'), null);
        assert.match(each.headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/);
        const cacheStatus = each.headers.get('cache-status') ?? '';
        if (state === 'stored') assert.equal(cacheStatus, 'stormcellar; hit', what);
        if (state === 'hosted') assert.equal(cacheStatus, 'stormcellar; hit; detail=hosted', what);
        if (state === 'cold') assert.equal(cacheStatus, 'stormcellar; fwd=miss', what);
      }
    }
  });
}

test('a HEAD, or what the client has already, costs no download', async (t) => {
  const { up, app, path } = await cold(t);
  assert.equal((await app.get(path, { method: 'HEAD' })).status, 200);
  assert.equal((await app.get(path, { headers: { 'if-none-match': etag } })).status, 304);
  assert.equal(up.requests('/files/*'), 0);
});

test('an sdist is sent as it is, however the client would like it encoded', async (t) => {
  const { app } = await cold(t);
  for (const _ of ['cold', 'stored']) {
    const answer = await app.get(`/simple/demo-pkg/${sdist.filename}`, { headers: { 'accept-encoding': 'gzip' } });
    assert.equal(answer.headers.get('content-encoding'), null);
    assert.match(answer.headers.get('cache-control') ?? '', /no-transform/);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), sdist.bytes);
  }
});

test('core metadata are the bytes in the wheel, with their own tag, and can be had in part', async (t) => {
  for (const stageOf of [cold, stored, hosted]) {
    const { app, path } = await stageOf(t);
    const answer = await app.get(`${path}.metadata`);
    assert.equal(answer.status, 200);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), wheel.metadata);
    const tag = answer.headers.get('etag') ?? '';
    assert.match(tag, /^"[0-9a-f]{64}"$/);
    assert.notEqual(tag, etag);
    assert.match(answer.headers.get('cache-control') ?? '', /immutable/);
    assert.match(answer.headers.get('content-type') ?? '', /^text\/plain/);
    assert.equal((await app.get(`${path}.metadata`, { headers: { 'if-none-match': tag } })).status, 304);
    assert.equal((await app.get(`${path}.metadata`, { headers: { range: 'bytes=-5' } })).status, 206);
    const head = await app.get(`${path}.metadata`, { method: 'HEAD' });
    assert.equal(head.headers.get('content-length'), String(wheel.metadata.length));
    assert.equal((await app.get(`${path}.metadata.metadata`)).status, 404);
    assert.equal((await app.get('/simple/demo-pkg/.metadata')).status, 404);
  }
});

test('of a wheel without core metadata none are announced, and asking for them is 404 before and after', async (t) => {
  const up = await fakeUpstream(t);
  const broken = { ...sdist, filename: 'broken-1.0-py3-none-any.whl' };
  up.project('broken').add(broken, { coreMetadata: 'missing' });
  const app = await testApp(t, { upstream: up.url });
  const path = `/simple/broken/${broken.filename}`;
  assert.equal((await app.get(`${path}.metadata`)).status, 404);
  assert.equal((await app.get(path)).status, 200);
  assert.equal((await app.get(`${path}.metadata`)).status, 404);
  const page = (await (await app.get('/simple/broken/?format=application/vnd.pypi.simple.v1+json')).json()) as {
    files: object[];
  };
  assert.ok(!('core-metadata' in (page.files[0] ?? {})));
});

test('a file name with + and ! is found in every spelling of its address, and decoded once only', async (t) => {
  const local = makeWheel({ name: 'demo-loc', version: '1!2.0+cpu.1' });
  const stage = await fakeUpstream(t);
  stage.project('demo-loc').add(local);
  const proxied = await testApp(t, { upstream: stage.url });
  const own = await testApp(t);
  await upload(own, local);
  for (const app of [proxied, own]) {
    const page = await (await app.get('/simple/demo-loc/')).text();
    assert.ok(page.includes(`>${local.filename}</a>`));
    const at = '/simple/demo-loc/demo_loc-';
    const end = '-py3-none-any.whl';
    for (const version of ['1!2.0+cpu.1', '1%212.0%2Bcpu.1', '1%212.0%2bcpu.1', '1!2%2E0+cpu.1'])
      for (const suffix of ['', '.metadata']) {
        const answer = await rawRequest(app.url, { path: `${at}${version}${end}${suffix}` });
        assert.equal(answer.status, 200, version + suffix);
      }
    for (const version of ['1%25212.0%252Bcpu.1', '1!2.0 cpu.1', '1!2.0%20cpu.1', '1!2.0-cpu.1']) {
      const { status } = await rawRequest(app.url, { path: encodeURI(`${at}${version}${end}`).replaceAll('%25', '%') });
      assert.ok([400, 404].includes(status), `${version}: ${status}`);
    }
    const odd = await rawRequest(app.url, { path: `/simple/Demo_Loc/demo_loc-1%212.0%2Bcpu.1${end}?a=b` });
    assert.equal(odd.status, 301);
    assert.equal(odd.headers.location, `../demo-loc/${encodeURIComponent(local.filename)}?a=b`);
  }
});

test('where a token is needed, no shared cache may keep what is answered', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo-pkg').add(wheel);
  const app = await testApp(t, { upstream: up.url, config: { access: { anonymous: [] } } });
  for (const path of ['', wheel.filename, `${wheel.filename}.metadata`].map((name) => `/simple/demo-pkg/${name}`)) {
    const answer = await app.admin(path);
    assert.equal(answer.status, 200, path);
    assert.match(answer.headers.get('cache-control') ?? '', /^private/, path);
    assert.equal(answer.headers.get('access-control-allow-origin'), null, path);
  }
});
