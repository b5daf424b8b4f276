import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorPage, garbageJson, signInPage } from './fake-orders.ts';
import { fakeUpstream } from './fake-upstream.ts';
import { makeSdist, makeWheel, sha256Of } from './wheel.ts';

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';
const wheel = makeWheel({ name: 'demo', version: '1.0', requiresPython: '>=3.9' });

test('serves pages in both formats, files with ranges, metadata and provenance', async (t) => {
  const up = await fakeUpstream(t, { serials: true, files: 'other' });
  const demo = up.project('demo').add(wheel, { provenance: true, yanked: 'broken "x"' });
  demo.add(makeSdist({ name: 'demo', version: '1.0' }), { uploadTime: null, hashes: false, size: false });
  const json = await fetch(`${up.url}demo/`, { headers: { accept: JSON_TYPE } });
  assert.equal(json.headers.get('x-pypi-last-serial'), '3');
  const page = (await json.json()) as { files: Record<string, unknown>[] };
  assert.deepEqual(page.files[0]?.['core-metadata'], { sha256: sha256Of(wheel.metadata) });
  assert.equal('upload-time' in (page.files[1] ?? {}), false);
  const html = await (await fetch(`${up.url}demo/`)).text();
  assert.match(html, /data-yanked="broken &quot;x&quot;"/);
  const etag = json.headers.get('etag') ?? '';
  const again = await fetch(`${up.url}demo/`, { headers: { accept: JSON_TYPE, 'if-none-match': etag } });
  assert.equal(again.status, 304);
  const url = String(page.files[0]?.url);
  assert.notEqual(new URL(url).port, new URL(up.url).port);
  const part = await fetch(url, { headers: { range: 'bytes=10-19' } });
  assert.equal(part.status, 206);
  assert.deepEqual(Buffer.from(await part.arrayBuffer()), wheel.bytes.subarray(10, 20));
  assert.deepEqual(Buffer.from(await (await fetch(`${url}.metadata`)).arrayBuffer()), wheel.metadata);
  assert.equal((await fetch(String(page.files[0]?.provenance))).status, 200);
  assert.equal(up.requests('/simple/demo/'), 3);
  assert.equal(up.requests('/files/*'), 2);
  demo.deleteRelease('1.0');
  assert.equal((await fetch(url)).status, 404);
});

test('obeys orders, each for its time, the most exact path first', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(wheel);
  const status = async (): Promise<number> => (await fetch(`${up.url}demo/`)).status;
  up.order('*', { status: 500 });
  up.order('/simple/demo/', { status: 503, headers: { 'retry-after': '2' }, times: 2 }, { status: 403, times: 1 });
  assert.deepEqual([await status(), await status(), await status(), await status()], [503, 503, 403, 500]);
  up.order('*');
  for (const order of [signInPage, errorPage, garbageJson]) {
    up.order('/simple/demo/', order);
    assert.equal((await fetch(`${up.url}demo/`)).headers.get('content-type'), order.contentType);
  }
  up.order('/simple/demo/', { hops: 3 });
  assert.equal((await fetch(`${up.url}demo/`)).redirected, true);
  up.order('/simple/demo/', { gzipBomb: 5 << 20 });
  assert.equal((await (await fetch(`${up.url}demo/`)).arrayBuffer()).byteLength, 5 << 20);
  for (const order of [{ reset: true }, { cutAfter: 5 }, { lieAboutLength: 5 }] as const) {
    up.order('/simple/demo/', order);
    await assert.rejects(async () => await (await fetch(`${up.url}demo/`)).text());
  }
});

test('refuses connections and takes them again on the same port', async (t) => {
  const up = await fakeUpstream(t);
  const url = up.url;
  await up.refuse();
  await assert.rejects(fetch(url));
  await up.accept();
  assert.equal((await fetch(url)).status, 200);
  assert.equal(up.url, url);
});

test('holds an answer until it is told to go on', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(wheel);
  const gate = Promise.withResolvers<void>();
  up.order(`/files/${wheel.filename}`, { holdAfter: { bytes: 10, until: gate.promise } });
  const response = await fetch(`${up.filesUrl}${wheel.filename}`);
  const reader = response.body?.getReader();
  assert.equal((await reader?.read())?.value?.byteLength, 10);
  gate.resolve();
  assert.equal((await reader?.read())?.value?.byteLength, wheel.bytes.length - 10);
  await up.waitFor('/files/*');
});
