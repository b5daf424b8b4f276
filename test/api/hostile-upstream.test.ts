import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { type Order, signInPage } from '../support/fake-orders.ts';
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { makeSdist, makeWheel } from '../support/wheel.ts';
import { whileTimePasses } from '../support/while-time-passes.ts';

type Context = Parameters<typeof fakeUpstream>[0];

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';
const json = { headers: { accept: JSON_TYPE } };
const hashes = { sha256: 'a'.repeat(64) };

/** Upstream does not count as down however often it fails, so that each case stands alone. */
async function stage(
  t: Context,
  config: Record<string, unknown> = {},
): Promise<{ up: FakeUpstream; app: TestApp; clock: FakeClock }> {
  const up = await fakeUpstream(t, { files: 'other' });
  const clock = new FakeClock();
  const upstreamKeys = { failuresToOpen: 100, retries: 0 };
  const app = await testApp(t, { upstream: up.url, upstreamKeys, clock, config });
  return { up, app, clock };
}

function page(files: readonly unknown[], more: object = {}): Order {
  return { body: JSON.stringify({ meta: { 'api-version': '1.0' }, files, ...more }), contentType: JSON_TYPE };
}

interface Page {
  readonly versions: readonly string[];
  readonly files: readonly ({ readonly filename: string; readonly url: string } & Record<string, unknown>)[];
}

async function pageOf(app: TestApp, name: string): Promise<Page> {
  const answer = await app.get(`/simple/${name}/`, json);
  assert.equal(answer.status, 200, name);
  return (await answer.json()) as Page;
}

const EVIL_NAMES = [
  '../../etc/passwd',
  '..\\evil.whl',
  'a/evil.whl',
  '.',
  '..',
  '.hidden',
  '',
  ' evil-1.0.zip',
  'evil\r\nSet-Cookie: a-1.0.zip',
  'evil\0-1.0.zip',
  'evil\u2028-1.0.zip',
  'evil-1.0-py3-none-any.whl.metadata',
  `${'a'.repeat(10_000)}.whl`,
  '\ud800evil-1.0.zip',
];
const ODD_NAMES = [
  'evil-1.0.zip',
  'évil-1.1.zip',
  'evil 1.2.zip',
  'evil%2e-1.3.zip',
  'evil?x=1#y-1.4.zip',
  'CON',
  '"><b>-1.5.zip',
];

test('names that are no file names are left out; odd ones are found under their address', async (t) => {
  const { up, app } = await stage(t);
  const content = makeSdist({ name: 'evil', version: '1.0' });
  const listed = ODD_NAMES.map((filename, i) => ({
    filename,
    url: `${up.filesUrl}${i}.zip`,
    hashes: { sha256: content.sha256 },
  }));
  for (const i of listed.keys()) up.order(`/files/${i}.zip`, { body: content.bytes });
  const evil = EVIL_NAMES.map((filename) => ({ filename, url: `${up.filesUrl}evil.zip`, hashes }));
  up.order('/simple/evil/', page([...evil, ...listed, null, 3, 'x', {}, { filename: 'evil-9.zip' }]));
  const { files } = await pageOf(app, 'evil');
  assert.deepEqual(
    files.map(({ filename }) => filename),
    ODD_NAMES,
  );
  const html = await (await app.get('/simple/evil/')).text();
  assert.ok(!html.includes('<b>') && !html.includes('passwd'));
  for (const { filename, url } of files) {
    const answer = await fetch(new URL(url, `${app.url}/simple/evil/`));
    assert.equal(answer.status, 200, filename);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), content.bytes);
  }
  for (const name of EVIL_NAMES.filter((text) => text.isWellFormed() && !/^\.*$/.test(text))) {
    const { status } = await app.get(`/simple/evil/${encodeURIComponent(name)}`);
    assert.ok([400, 404].includes(status), `${JSON.stringify(name)}: ${status}`);
  }
});

test('files whose address is no web address are left out; private addresses are not asked', async (t) => {
  const { up, app } = await stage(t);
  const urls = {
    'evil-1.0.zip': 'file:///etc/passwd',
    'evil-2.0.zip': 'javascript:alert(1)',
    'evil-3.0.zip': 'ftp://127.0.0.1/evil.zip',
    'evil-4.0.zip': 'http://169.254.169.254/latest/meta-data/',
    'evil-5.0.zip': 'http://[fe80::1]/x',
  };
  up.order('/simple/evil/', page(Object.entries(urls).map(([filename, url]) => ({ filename, url, hashes }))));
  const { files } = await pageOf(app, 'evil');
  assert.deepEqual(
    files.map(({ filename }) => filename),
    ['evil-4.0.zip', 'evil-5.0.zip'],
  );
  for (const { url } of files) {
    const answer = await app.get(`/simple/evil/${url}`);
    assert.equal(answer.status, 502, url);
    assert.match(await answer.text(), /private network/);
  }
  for (const [name, redirect] of [
    ['a', 'file:///etc/passwd'],
    ['b', 'http://169.254.169.254/simple/b/'],
    ['c', 'gopher://127.0.0.1/'],
    ['d', '//'],
  ] as const) {
    up.order(`/simple/${name}/`, { redirect });
    const answer = await app.get(`/simple/${name}/`);
    assert.equal(answer.status, 502, `${redirect}: ${await answer.text()}`);
  }
});

test('what a page says is text, wherever it is shown', async (t) => {
  const { up, app } = await stage(t);
  const script = '"><script>alert(1)</script>\r\n\u2028';
  const entry = {
    filename: 'evil-1.0.zip',
    url: `${up.filesUrl}evil-1.0.zip`,
    hashes: { ...hashes, 'x"><script>': 'ab', md5: '"><script>' },
    yanked: script,
    'requires-python': `>=3,<4${script}`,
    'core-metadata': { sha256: script },
    provenance: 'javascript:alert(1)',
    'upload-time': script,
    size: script,
    'x-new': script,
  };
  const more = { versions: ['1.0', script], 'project-status': { status: 'deprecated', reason: script } };
  up.order('/simple/evil/', page([entry], more));
  const html = await app.get('/simple/evil/');
  const text = await html.text();
  assert.ok(!text.includes('<script'), text);
  assert.equal(text.split('\n').filter((line) => line.includes('evil-1.0.zip')).length, 1, 'one line each');
  assert.match(html.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  const [file] = (await pageOf(app, 'evil')).files;
  assert.equal(file?.['requires-python'], `>=3,<4${script.trimEnd()}`);
  assert.equal(file?.size, undefined);
  assert.equal(file?.['upload-time'], undefined);
  assert.equal(file?.provenance, undefined);
  assert.deepEqual(file?.hashes, hashes);
  const front = await (await app.get('/')).text();
  assert.ok(!front.includes('<script'));
  assert.equal((await app.get('/pypi/evil/json')).headers.get('content-type'), 'application/json');
});

test('HTML with script, <base> and nonsense gives its files and nothing else', async (t) => {
  const { up, app } = await stage(t);
  const wheel = makeWheel({ name: 'odd', version: '1.0' });
  up.project('odd').add(wheel);
  const body = `<html><head><base href="${up.filesUrl}"><script>document.write('<a href="bad-1.0.zip">bad-1.0.zip</a>')</script>
    <title>Links for odd</title></head><body onload="x()"><!-- <a href="c-1.0.zip">c-1.0.zip</a> -->
    <a href="javascript:alert(1)//odd-3.0.zip">odd-3.0.zip</a><a href="/">up</a><a>none</a><a href="${wheel.filename}#sha256=${wheel.sha256}"
      onclick="x()" data-yanked><b>${wheel.filename}</b></a><iframe src="x"></iframe></body></html>`;
  up.order('/simple/odd/', { body, contentType: 'text/html' });
  const { files } = await pageOf(app, 'odd');
  assert.deepEqual(files, [
    { filename: wheel.filename, url: wheel.filename, hashes: { sha256: wheel.sha256 }, yanked: true },
  ]);
  const html = await (await app.get('/simple/odd/')).text();
  assert.ok(!/script|onload|onclick|iframe|base href/.test(html));
  assert.equal((await app.get(`/simple/odd/${wheel.filename}`)).status, 200);
});

test('a page with 30,000 files is served; what is beyond a limit is refused with the limit, and says when to come again', async (t) => {
  const limits = { minFreeBytes: '0B', stopGrace: '2s', pageBytes: '6MiB', pageFiles: 30_000 };
  const { up, app } = await stage(t, { limits });
  const many = (count: number) =>
    page(Array.from({ length: count }, (_, i) => ({ filename: `big-${i}.tar.gz`, url: `/f/${i}`, hashes })));
  up.order('/simple/big/', many(30_000));
  assert.equal((await pageOf(app, 'big')).files.length, 30_000);
  const html = await (await app.get('/simple/big/')).text();
  assert.equal(html.match(/<a /g)?.length, 30_000);
  up.project('bomb');
  const refusals: Record<string, [Order, RegExp]> = {
    many: [many(30_001), /more than 30000 files/],
    huge: [page([{ filename: 'huge-1.zip', url: '/f', x: 'x'.repeat(6 << 20) }]), /larger than 6291456 bytes/],
    bomb: [{ gzipBomb: 500_000_000, headers: { 'content-type': JSON_TYPE } }, /larger than 6291456 bytes/],
    deep: [{ body: '['.repeat(1_000_000), contentType: JSON_TYPE }, /not answer with an index page/],
  };
  for (const [name, [order, sentence]] of Object.entries(refusals)) {
    up.order(`/simple/${name}/`, order);
    const answer = await app.get(`/simple/${name}/`, json);
    assert.equal(answer.status, 502, name);
    assert.match(await answer.text(), sentence);
    assert.ok(Number(answer.headers.get('retry-after')) >= 1, name);
  }
});

test('a file is what its page promised, by whatever hash, or it is broken off and not kept', async (t) => {
  const { up, app } = await stage(t);
  const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex');
  const sha512 = (bytes: Buffer) => createHash('sha512').update(bytes).digest('hex');
  const [a, b, c, d] = ['1.0', '2.0', '3.0', '4.0'].map((version) => makeWheel({ name: 'liar', version }));
  assert.ok(a && b && c && d);
  const listed = up.project('liar');
  listed.add(a, { hashes: { md5: md5(b.bytes) }, coreMetadata: 'none' });
  listed.add(b, { hashes: { md5: md5(b.bytes) } });
  listed.add(c, { hashes: { md5: md5(c.bytes), sha512: sha512(a.bytes) }, coreMetadata: 'none' });
  listed.add(d, { hashes: false, size: 5, coreMetadata: 'none' });
  const whole = async (filename: string) => {
    const answer = await app.get(`/simple/liar/${filename}`);
    return Buffer.from(await answer.arrayBuffer());
  };
  for (const { filename } of [a, c]) await assert.rejects(whole(filename), filename);
  assert.equal((await app.get(`/simple/liar/${d.filename}`)).status, 502);
  assert.deepEqual(await whole(b.filename), b.bytes);
  const stored = (await (await app.get('/offline/simple/liar/', json)).json()) as Page;
  assert.deepEqual(
    stored.files.map(({ filename }) => filename),
    [b.filename],
  );
  assert.deepEqual(stored.files[0]?.hashes, { md5: md5(b.bytes), sha256: b.sha256 });
});

test('lengths that lie, or are not told, leave a client with the right bytes or none', async (t) => {
  const { up, app, clock } = await stage(t);
  const orders: Record<string, Order> = {
    'too long': { lieAboutLength: 10 },
    'too short': { lieAboutLength: -10 },
    'not told': { chunked: true },
    'cut, no ranges': { cutAfter: 100, ranges: false, times: 1 },
    compressed: { gzip: true },
    'a web page': { headers: { 'content-type': 'text/html' } },
  };
  for (const [i, [what, order]] of Object.entries(orders).entries()) {
    const wheel = makeWheel({ name: 'len', version: `${i}.0`, padding: 1_000 });
    const name = `len-${i}`;
    up.project(name).add(wheel);
    up.order(`/files/${wheel.filename}`, order);
    const asked = app
      .get(`/simple/${name}/${wheel.filename}`)
      .then(async (answer) => (answer.status === 200 ? Buffer.from(await answer.arrayBuffer()) : undefined));
    const body = await whileTimePasses(clock, asked).catch(() => undefined);
    assert.ok(body === undefined || body.equals(wheel.bytes), what);
    if (what === 'not told') assert.ok(body !== undefined, what);
    const wanted = body === undefined ? 404 : 200;
    const kept = async () => (await app.get(`/offline/simple/${name}/${wheel.filename}`)).status;
    // The clock of this test runs so fast that a client does not wait for the store.
    for (let i = 0; i < 500 && (await kept()) !== wanted; i += 1)
      await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(await kept(), wanted, what);
    up.order(`/files/${wheel.filename}`);
    const repaired = await app.get(`/simple/${name}/${wheel.filename}`);
    assert.deepEqual(Buffer.from(await repaired.arrayBuffer()), wheel.bytes, what);
  }
});

test('odd but honest pages are read: numbers as text, other spellings, a mark of the byte order, no trailing slash', async (t) => {
  const { up, app } = await stage(t);
  const file = {
    filename: 'odd-1.0.zip',
    url: `${up.filesUrl}x`,
    hashes,
    size: '123',
    'upload-time': '2024-01-01T00:00:00Z',
  };
  const body = `\ufeff${JSON.stringify({ meta: { 'api-version': '1.0', '_last-serial': '12' }, name: 'Odd', files: [file] })}`;
  up.order('/simple/odd/', { body, contentType: `${JSON_TYPE}; charset=utf-8` });
  assert.equal((await pageOf(app, 'odd')).files[0]?.size, 123);
  up.order('/simple/other/', page([file], { name: 'another-project' }));
  assert.equal((await app.get('/simple/other/')).status, 502, 'the page of another project');
});

test('a page of which no file can be read is no page; a known one stays', async (t) => {
  const { up, app, clock } = await stage(t);
  up.project('demo').add(makeWheel({ name: 'demo', version: '1.0' }));
  await pageOf(app, 'demo');
  await clock.advance(11 * 60_000);
  const unreadable = [
    { filename: 'demo-1.0.zip' },
    'demo',
    { filename: 'demo-2.0.zip', url: 'ftp://files.example/demo-2.0.zip' },
  ];
  for (const name of ['demo', 'unknown']) up.order(`/simple/${name}/`, page(unreadable));
  assert.equal((await pageOf(app, 'demo')).files.length, 1);
  assert.equal((await app.get('/simple/unknown/', json)).status, 502);
});

test('a sign-in page is neither core metadata nor provenance, whatever was announced', async (t) => {
  const { up, app } = await stage(t);
  const wheel = makeWheel({ name: 'demo', version: '1.0' });
  const other = makeWheel({ name: 'demo', version: '2.0' });
  up.project('demo').add(wheel, { coreMetadata: 'true', provenance: true }).add(other, { coreMetadata: 'true' });
  up.order(`/files/${wheel.filename}.metadata`, signInPage);
  up.order('/integrity/*', signInPage);
  const metadataOf = async (filename: string) => {
    const answer = await app.get(`/simple/demo/${filename}.metadata`);
    assert.equal(answer.status, 200);
    return await answer.text();
  };
  assert.equal(await metadataOf(wheel.filename), String(wheel.metadata), 'out of the wheel');
  const provenance = `/integrity/demo/1.0/${wheel.filename}/provenance`;
  assert.equal((await app.get(provenance)).status, 502);
  up.order('/integrity/*', { body: '[]', contentType: 'application/json' });
  assert.equal((await app.get(provenance)).status, 502, 'a list is no object');
  const cut = String(other.metadata).replace(/\n\n.*/s, '\n');
  up.order(`/files/${other.filename}.metadata`, { body: cut });
  assert.equal(await metadataOf(other.filename), cut, 'it cannot be told yet');
  await (await app.get(`/simple/demo/${other.filename}`)).arrayBuffer();
  assert.equal(await metadataOf(other.filename), String(other.metadata), 'what the wheel has');
});
