import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { parseProjectName } from '../../../server/model/project-name.ts';
import type { Download, DownloadTarget } from '../../../server/upstream/upstream.ts';
import { type Order, signInPage } from '../../support/fake-orders.ts';
import { type FakeUpstream, fakeUpstream } from '../../support/fake-upstream.ts';
import { makeSdist, makeWheel, sha256Of } from '../../support/wheel.ts';
import { anUpstream, DEMO, problem } from './an-upstream.ts';

const wheel = makeWheel({ name: 'demo', version: '1.0', padding: 5_000 });
const PATH = `/files/${wheel.filename}`;
const { signal } = new AbortController();

function target(up: FakeUpstream, options: { sha256?: false; filename?: string } = {}): DownloadTarget {
  const { filename = wheel.filename } = options;
  const url = new URL(`${up.filesUrl}${filename}`);
  return { project: DEMO, filename, url, ...(options.sha256 === false ? {} : { sha256: wheel.sha256 }) };
}

async function bytesOf(body: AsyncIterable<Buffer>): Promise<Buffer> {
  return await buffer(body);
}

async function theFile(download: Download): Promise<void> {
  assert.deepEqual(await bytesOf(download.body), wheel.bytes.subarray(download.offset));
}

test('a file comes as it is, with its length and validator', async (t) => {
  const up = await fakeUpstream(t, { files: 'other' });
  up.project('demo').add(wheel);
  const { upstream } = await anUpstream(t, up.url);
  const download = await upstream.download(target(up), { signal });
  assert.equal(download.offset, 0);
  assert.equal(download.size, wheel.bytes.length);
  assert.match(download.validator ?? '', /^"/);
  await theFile(download);
  const [seen] = up.seen(PATH);
  assert.equal(seen?.headers['accept-encoding'], 'identity');
  assert.equal(seen?.headers.range, undefined);
});

test('goes on from an offset when upstream can and the file is the same, else from the beginning', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(wheel);
  const { upstream } = await anUpstream(t, up.url);
  const first = await upstream.download(target(up), { signal });
  first.body.destroy();
  const validator = first.validator ?? '';
  const from = async (options: { offset: number; validator?: string }, of: { sha256?: false } = {}) => {
    const download = await upstream.download(target(up, of), { signal, ...options });
    assert.equal(download.size, wheel.bytes.length);
    await theFile(download);
    return download.offset;
  };
  assert.equal(await from({ offset: 100, validator }, { sha256: false }), 100);
  assert.equal(up.seen(PATH).at(-1)?.headers['if-range'], validator);
  assert.equal(await from({ offset: 100 }), 100, 'a digest is as good as a validator');
  assert.equal(await from({ offset: 100 }, { sha256: false }), 0, 'nobody would notice another file');
  assert.equal(await from({ offset: 100, validator: '"older"' }), 0);
  assert.equal(await from({ offset: 1_000_000, validator }), 0, '416');
  up.order(PATH, { ranges: false });
  assert.equal(await from({ offset: 100, validator }), 0);
  up.order(PATH, { status: 206, headers: { 'content-range': 'bytes 7-9/10' }, body: 'abc' });
  await assert.rejects(from({ offset: 100, validator }), problem('upstream-unavailable', /another part of the file/));
});

test('404 and 410 mean that there is no such file', async (t) => {
  const up = await fakeUpstream(t);
  const { upstream } = await anUpstream(t, up.url);
  await assert.rejects(upstream.download(target(up), { signal }), problem('file-not-found'));
  up.order(PATH, { status: 410 });
  await assert.rejects(upstream.download(target(up), { signal }), problem('file-not-found'));
});

const REFUSED: readonly [what: string, order: Order, says: RegExp][] = [
  ['403, as a store without its credentials says it', { status: 403 }, /answered 403/],
  ['401', { status: 401 }, /answered 401/],
  ['429', { status: 429 }, /answered 429/],
  ['502 on one object', { status: 502 }, /answered 502/],
  ['a sign-in page', signInPage, /web page instead of the file/],
  ['a reset', { reset: true }, /connection was/],
  ['redirects without end', { hops: 30 }, /more than 5 times/],
  ['a redirect to a link-local address', { redirect: 'http://169.254.169.254/x.whl' }, /private network/],
  ['a redirect to another scheme', { redirect: 'ftp://127.0.0.1/x.whl' }, /neither http nor https/],
  ['an encoding', { headers: { 'content-encoding': 'br' } }, /compresses files/],
];

for (const [what, order, says] of REFUSED) {
  test(`${what} is an outage of the file`, async (t) => {
    const up = await fakeUpstream(t);
    up.project('demo').add(wheel);
    const { upstream } = await anUpstream(t, up.url);
    up.order(PATH, order);
    await assert.rejects(upstream.download(target(up), { signal }), problem('upstream-unavailable', says));
    assert.equal(upstream.health().state, 'closed', 'one file says nothing of the index');
    up.order(PATH);
    await theFile(await upstream.download(target(up), { signal }));
  });
}

test('a cut body is an error of the stream, never a short file', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(wheel);
  const { upstream } = await anUpstream(t, up.url);
  for (const order of [{ cutAfter: 1_000 }, { cutAfter: 1_000, chunked: true }, { lieAboutLength: 10 }] as const) {
    up.order(PATH, order);
    const { body } = await upstream.download(target(up), { signal });
    await assert.rejects(bytesOf(body), { name: 'UpstreamError', kind: 'reset' });
  }
});

test('a body that pauses for too long is broken off, one that its reader leaves alone is not', async (t) => {
  const up = await fakeUpstream(t);
  const never = Promise.withResolvers<void>();
  t.after(() => never.resolve());
  const large = makeWheel({ name: 'demo', version: '2.0', padding: 4 << 20 });
  up.project('demo').add(wheel).add(large);
  const { upstream, clock } = await anUpstream(t, up.url, { idleTimeoutMs: 20_000 });
  const slow = await upstream.download(target(up, { filename: large.filename }), { signal });
  up.order(PATH, { holdAfter: { bytes: 100, until: never.promise } });
  const { body } = await upstream.download(target(up), { signal });
  const refused = assert.rejects(bytesOf(body), { name: 'UpstreamError', kind: 'timeout' });
  await turn();
  await clock.advance(40_000);
  await refused;
  assert.deepEqual(await bytesOf(slow.body), large.bytes);
});

test('the head has a time limit of its own, and a black hole counts as one', async (t) => {
  const up = await fakeUpstream(t);
  up.order('*', { hang: true });
  const { upstream, clock } = await anUpstream(t, up.url);
  const refused = assert.rejects(upstream.download(target(up), { signal }), problem('upstream-timeout'));
  await up.waitFor(PATH);
  await clock.advance(10_000);
  await refused;
});

test('the caller can break off, before the head and after it', async (t) => {
  const up = await fakeUpstream(t);
  const never = Promise.withResolvers<void>();
  t.after(() => never.resolve());
  up.project('demo').add(wheel);
  const { upstream } = await anUpstream(t, up.url);
  up.order(PATH, { hang: true, times: 1 }, { holdAfter: { bytes: 100, until: never.promise } });
  const early = new AbortController();
  const waiting = assert.rejects(upstream.download(target(up), { signal: early.signal }), /enough/);
  await up.waitFor(PATH);
  early.abort(new Error('enough'));
  await waiting;
  const late = new AbortController();
  const { body } = await upstream.download(target(up), { signal: late.signal });
  const broken = assert.rejects(bytesOf(body));
  late.abort(new Error('enough'));
  await broken;
});

test('what servers call an encoding of a tarball is the tarball; what packs other files is unpacked', async (t) => {
  const up = await fakeUpstream(t);
  const sdist = makeSdist({ name: 'demo', version: '1.0' });
  up.project('demo').add(sdist).add(wheel);
  const { upstream } = await anUpstream(t, up.url);
  up.order('/files/*', { headers: { 'content-encoding': 'x-gzip' } });
  const tarball = await upstream.download(target(up, { filename: sdist.filename }), { signal });
  assert.deepEqual(await bytesOf(tarball.body), sdist.bytes);
  up.order(`${PATH}.metadata`, { gzip: true });
  const metadata = await upstream.download(target(up, { filename: `${wheel.filename}.metadata` }), { signal });
  assert.deepEqual(await bytesOf(metadata.body), wheel.metadata);
  assert.equal(metadata.size, undefined);
  up.order(PATH, { headers: { 'content-encoding': 'gzip' }, body: gzipSync(wheel.bytes).subarray(0, 500) });
  const cut = await upstream.download(target(up), { signal });
  await assert.rejects(bytesOf(cut.body));
});

test('a file that cannot be had comes from a fallback that lists the same digest', async (t) => {
  for (const formats of ['json', 'html'] as const) {
    const up = await fakeUpstream(t);
    const second = await fakeUpstream(t, { formats, links: formats === 'html' ? 'base' : 'relative' });
    const other = makeWheel({ name: 'demo', version: '1.0', files: { 'x.py': 'other' } });
    up.project('demo').add(wheel);
    second.project('demo').add(wheel);
    const { upstream } = await anUpstream(t, up.url, { fallbacks: [new URL(second.url)] });
    up.order('/files/*', { status: 502 });
    await theFile(await upstream.download(target(up), { signal }));
    assert.equal(second.requests(PATH), 1);
    const metadata = await upstream.download(
      { ...target(up, { filename: `${wheel.filename}.metadata` }), sha256: sha256Of(wheel.metadata) },
      { signal },
    );
    assert.deepEqual(await bytesOf(metadata.body), wheel.metadata);
    const unknown = upstream.download(target(up, { sha256: false }), { signal });
    await assert.rejects(
      unknown,
      problem('upstream-unavailable', /answered 502/),
      'without a digest there is no proof',
    );
    second.project('demo').add(other);
    const replaced = upstream.download(target(up), { signal });
    await assert.rejects(
      replaced,
      problem('upstream-unavailable', /answered 502/),
      'another file of that name is none',
    );
    assert.equal(second.requests(PATH), 1);
    assert.equal(upstream.health().state, 'closed');
  }
});

test('while the first address is down, its files come from the fallback', async (t) => {
  const [up, second] = [await fakeUpstream(t), await fakeUpstream(t)];
  up.project('demo').add(wheel);
  second.project('demo').add(wheel);
  const { upstream } = await anUpstream(t, up.url, { fallbacks: [new URL(second.url)] });
  await up.refuse();
  await upstream.page(DEMO);
  assert.equal(upstream.health().state, 'closed');
  await theFile(await upstream.download(target(up), { signal }));
});

test('a file that its address does not have, while the page lists it, comes from a fallback that has it', async (t) => {
  const [up, second] = [await fakeUpstream(t), await fakeUpstream(t)];
  second.project('demo').add(wheel);
  const { upstream } = await anUpstream(t, up.url, { fallbacks: [new URL(second.url)] });
  for (const status of [404, 410]) {
    up.order(PATH, { status });
    await theFile(await upstream.download(target(up), { signal }));
    const unknown = upstream.download(target(up, { sha256: false }), { signal });
    await assert.rejects(unknown, problem('file-not-found'), 'without a digest there is no proof');
  }
  second.project('demo').remove(wheel.filename);
  await assert.rejects(upstream.download(target(up), { signal }), problem('file-not-found'));
});

test('a file that is not to be trusted is asked of the fallback first, and then of its own address again', async (t) => {
  const [up, second] = [await fakeUpstream(t), await fakeUpstream(t)];
  for (const index of [up, second]) index.project('demo').add(wheel);
  const { upstream } = await anUpstream(t, up.url, { fallbacks: [new URL(second.url)] });
  const counts = async () => {
    await theFile(await upstream.download(target(up), { signal, offset: 100 }));
    return [up.requests(PATH), second.requests(PATH)];
  };
  assert.deepEqual(await counts(), [1, 0]);
  upstream.distrust(target(up));
  assert.deepEqual(await counts(), [1, 1]);
  second.order(PATH, { status: 502 });
  assert.deepEqual(await counts(), [2, 2], 'better than nothing');
  second.order(PATH);
  upstream.distrust(target(up));
  assert.deepEqual(await counts(), [3, 2]);
  upstream.distrust(target(up, { sha256: false }));
  assert.deepEqual(await counts(), [4, 2], 'without a digest there is no proof');
});

test('while the file host is down, nobody waits for it where a fallback has the file', async (t) => {
  const [up, second] = [await fakeUpstream(t, { files: 'other' }), await fakeUpstream(t)];
  for (const index of [up, second]) index.project('demo').add(wheel);
  const { upstream } = await anUpstream(t, up.url, { fallbacks: [new URL(second.url)] });
  const metadata = { filename: `${wheel.filename}.metadata`, sha256: sha256Of(wheel.metadata) };
  const document = async () => {
    const listed = { project: DEMO, ...metadata };
    const url = new URL(`${up.filesUrl}${metadata.filename}`);
    return (await upstream.document(url, { accept: '*/*', maxBytes: 10_000, listed })).body;
  };
  await theFile(await upstream.download(target(up), { signal }));
  up.order('/files/*', { reset: true });
  for (let i = 0; i < 2; i += 1) {
    await theFile(await upstream.download(target(up), { signal }));
    const lost = { ...target(up, { filename: `demo-1.${i}.zip` }), sha256: sha256Of('') };
    await assert.rejects(upstream.download(lost, { signal }), problem('upstream-unavailable'));
  }
  const asked = up.requests('/files/*');
  await theFile(await upstream.download(target(up), { signal }));
  assert.deepEqual(await document(), wheel.metadata);
  assert.equal(up.requests('/files/*'), asked);
});

test('of an index and a fallback on one server each has its own files', async (t) => {
  const up = await fakeUpstream(t, { links: 'relative' });
  up.project('demo').add(wheel);
  const second = new URL('mirror/simple/', new URL(up.url).origin);
  const { upstream } = await anUpstream(t, up.url, { fallbacks: [second] });
  up.order('/simple/*', { status: 502 });
  const contentType = 'application/vnd.pypi.simple.v1+json';
  up.order('/mirror/simple/demo/', { status: 200, contentType, body: up.project('demo').snapshot().json });
  for (const name of ['one', 'two', 'three']) await upstream.page(parseProjectName(name)).catch(() => undefined);
  const page = await upstream.page(DEMO);
  assert.ok(typeof page === 'object' && page.isFallback);
  up.order(`/mirror${PATH}`, { status: 200, body: wheel.bytes });
  const url = new URL(`/mirror${PATH}`, up.url);
  await theFile(
    await upstream.download({ project: DEMO, filename: wheel.filename, url, sha256: wheel.sha256 }, { signal }),
  );
});

test('no more files are under way than may be; a place is free again when a body is closed', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(wheel);
  const { upstream } = await anUpstream(t, up.url, { maxFiles: 1 });
  const first = await upstream.download(target(up), { signal });
  const second = upstream.download(target(up), { signal });
  await turn();
  assert.equal(up.requests(PATH), 1);
  first.body.destroy();
  await theFile(await second);
  await theFile(await upstream.download(target(up), { signal }));
});

test('documents come whole or not at all', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(wheel, { provenance: true });
  const { upstream } = await anUpstream(t, up.url);
  const accept = 'application/vnd.pypi.integrity.v1+json';
  const url = new URL(`../integrity/demo/1.0/${wheel.filename}/provenance`, up.url);
  const document = await upstream.document(url, { accept, maxBytes: 10_000 });
  assert.equal(document.contentType, accept);
  assert.equal(JSON.parse(document.body.toString()).version, 1);
  assert.equal(up.seen('/integrity/*')[0]?.headers.accept, accept);
  await assert.rejects(upstream.document(url, { accept, maxBytes: 10 }), problem('upstream-unavailable', /larger/));
  await assert.rejects(upstream.document(new URL('../x', up.url), { accept, maxBytes: 10 }), problem('file-not-found'));
  await up.refuse();
  await assert.rejects(upstream.document(url, { accept, maxBytes: 10_000 }), problem('upstream-unavailable'));
});

test('core metadata that cannot be had come from a fallback that lists the same digest', async (t) => {
  // Wheels of one release have the same metadata, and so the same digest.
  const twin = makeWheel({ name: 'demo', version: '1.0', tag: 'cp311-abi3-linux_x86_64' });
  const sha256 = sha256Of(wheel.metadata);
  for (const formats of ['json', 'html'] as const) {
    const up = await fakeUpstream(t);
    const second = await fakeUpstream(t, { formats });
    for (const project of [up.project('demo'), second.project('demo')]) project.add(twin).add(wheel);
    const { upstream } = await anUpstream(t, up.url, { fallbacks: [new URL(second.url)] });
    const filename = `${wheel.filename}.metadata`;
    const ask = async (listed = { project: DEMO, filename, sha256 }) => {
      const url = new URL(`${up.filesUrl}${filename}`);
      return (await upstream.document(url, { accept: '*/*', maxBytes: 10_000, listed })).body;
    };
    assert.deepEqual(await ask(), wheel.metadata);
    assert.equal(second.requests(), 0);
    up.order('/files/*', { status: 502 });
    assert.deepEqual(await ask(), wheel.metadata);
    assert.equal(second.requests(`/files/${filename}`), 1);
    const others = ask({ project: DEMO, filename, sha256: wheel.sha256 });
    await assert.rejects(others, problem('upstream-unavailable', /answered 502/), 'others are none');
    await up.refuse();
    await upstream.page(DEMO);
    assert.deepEqual(await ask(), wheel.metadata, 'while the first address is down');
    assert.equal(second.requests(`/files/${filename}`), 2);
  }
});

test('a fallback has its turn when the first address is silent about core metadata', async (t) => {
  const [up, second] = [await fakeUpstream(t), await fakeUpstream(t)];
  second.project('demo').add(wheel);
  const { upstream, clock } = await anUpstream(t, up.url, { fallbacks: [new URL(second.url)] });
  up.order('/files/*', { hang: true });
  const filename = `${wheel.filename}.metadata`;
  const listed = { project: DEMO, filename, sha256: sha256Of(wheel.metadata) };
  const asked = upstream.document(new URL(`${up.filesUrl}${filename}`), { accept: '*/*', maxBytes: 10_000, listed });
  await up.waitFor(`/files/${filename}`);
  await clock.advance(5_000);
  assert.deepEqual((await asked).body, wheel.metadata);
});
