import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProjectName } from '../../../server/model/project-name.ts';
import { emptyPage, errorPage, garbageJson, type Order, signInPage } from '../../support/fake-orders.ts';
import { fakeUpstream } from '../../support/fake-upstream.ts';
import { makeWheel } from '../../support/wheel.ts';
import { anUpstream, DEMO, problem } from './an-upstream.ts';

const wheel = makeWheel({ name: 'demo', version: '1.0' });
const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';

test('asks for JSON first, says who asks, and hands over the page as it came', async (t) => {
  const up = await fakeUpstream(t, { serials: true });
  up.project('demo').add(wheel);
  const { upstream } = await anUpstream(t, up.url);
  const page = await upstream.page(DEMO);
  assert.ok(typeof page === 'object');
  assert.equal(page.contentType, JSON_TYPE);
  assert.equal(page.lastSerial, 2);
  assert.equal(page.url.href, `${up.url}demo/`);
  assert.equal(JSON.parse(page.body.toString()).files[0].filename, wheel.filename);
  const [seen] = up.seen('/simple/demo/');
  assert.equal(seen?.headers['user-agent'], 'stormcellar/test (ops@example.test)');
  assert.match(seen?.headers.accept ?? '', /^application\/vnd\.pypi\.simple\.v1\+json, .*text\/html;q=0\.1$/);
  assert.equal(seen?.headers['accept-encoding'], 'gzip');
  assert.equal(await upstream.page(DEMO, { etag: page.etag ?? '' }), 'not-modified');
  assert.equal(up.requests('/simple/demo/'), 2);
});

test('takes HTML where there is no JSON, compressed or not, with or without validators', async (t) => {
  const up = await fakeUpstream(t, { formats: 'html', etags: false });
  up.project('demo').add(wheel);
  up.order('/simple/demo/', { gzip: true, times: 1 });
  const { upstream } = await anUpstream(t, up.url);
  for (let i = 0; i < 2; i += 1) {
    const page = await upstream.page(DEMO);
    assert.ok(typeof page === 'object');
    assert.equal(page.contentType, 'text/html');
    assert.equal(page.etag, undefined);
    assert.match(page.body.toString(), /demo-1\.0-py3-none-any\.whl/);
  }
});

test('a page that is not there is absent, and that is an answer', async (t) => {
  const up = await fakeUpstream(t);
  const { upstream } = await anUpstream(t, up.url);
  assert.equal(await upstream.page(DEMO), 'absent');
  up.order('/simple/demo/', { status: 410 });
  assert.equal(await upstream.page(DEMO), 'absent');
  assert.equal(upstream.health().state, 'closed');
});

const html = (body: string): Order => ({ contentType: 'text/html', body });
const json = (page: unknown): Order => ({ contentType: JSON_TYPE, body: JSON.stringify(page) });

/** What a hostile or broken upstream may send instead of a page: none of it is a page, and none of it is an absence. */
const REFUSED: readonly [what: string, order: Order, says: RegExp][] = [
  ['403', { status: 403 }, /answered 403/],
  ['401', { status: 401 }, /answered 401/],
  ['429', { status: 429 }, /answered 429/],
  ['500', { status: 500 }, /answered 500/],
  ['206', { status: 206 }, /answered 206/],
  ['304 without having been asked', { status: 304 }, /answered 304/],
  ['a sign-in page', signInPage, /not answer with an index page/],
  ['an error page', errorPage, /not answer with an index page/],
  ['an empty HTML body', html(''), /not answer with an index page/],
  ['HTML that links elsewhere', html('<a href="/other-1.0.tar.gz">other</a>'), /not answer with an index page/],
  ['garbage as JSON', garbageJson, /not answer with an index page/],
  ['JSON that is no page', json({ message: 'sign in' }), /not answer with an index page/],
  ['a JSON array', json([]), /not answer with an index page/],
  ['another content type', { contentType: 'application/json', body: '{"files":[]}' }, /not answer with an index page/],
  ['a later major version', json({ meta: { 'api-version': '2.0' }, files: [] }), /later version/],
  ['the page of another project', json({ name: 'other', files: [] }), /page of another project/],
  ['a huge page', { contentType: JSON_TYPE, body: Buffer.alloc(70_000, 32) }, /larger than 65536 bytes/],
  ['a gzip bomb', { gzipBomb: 50 << 20 }, /larger than 65536 bytes/],
  ['a broken encoding', { headers: { 'content-encoding': 'gzip' } }, /cannot be decompressed/],
  ['an unknown encoding', { headers: { 'content-encoding': 'zstd' } }, /encoding that was not asked for/],
  ['a cut body', { cutAfter: 20 }, /connection was (?:cut|reset)/],
  ['a cut body without length', { cutAfter: 20, chunked: true }, /connection was (?:cut|reset)/],
  ['a body longer than promised', { lieAboutLength: -20 }, /not answer with an index page|no HTTP|connection was/],
  ['a reset', { reset: true }, /connection was (?:cut|reset)/],
  ['a huge head', { headers: { 'x-huge': 'x'.repeat(40_000) } }, /head of its answer is too large/],
  ['30 redirects', { hops: 30 }, /more than 5 times/],
  ['a redirect in a circle', { redirect: '/simple/demo/' }, /in a circle/],
  ['a redirect to a file', { redirect: 'file:///etc/passwd' }, /neither http nor https/],
  ['a redirect to a link-local address', { redirect: 'http://169.254.169.254/latest/' }, /private network/],
  ['a redirect to that in another spelling', { redirect: 'http://0xa9fea9fe/' }, /private network/],
  ['a redirect to that as IPv6', { redirect: 'http://[::ffff:169.254.169.254]/' }, /private network/],
  ['a redirect to nothing', { redirect: 'http://' }, /no address/],
];

for (const [what, order, says] of REFUSED) {
  test(`${what} is a failure of the upstream`, async (t) => {
    const up = await fakeUpstream(t);
    up.project('demo').add(wheel);
    const { upstream } = await anUpstream(t, up.url, { pageMaxBytes: 65_536 });
    up.order('/simple/demo/', order);
    await assert.rejects(upstream.page(DEMO), problem('upstream-unavailable', says));
    up.order('/simple/demo/');
    assert.equal(typeof (await upstream.page(DEMO)), 'object', 'the next one comes');
  });
}

test('an index page without files is a page: whoever knows the project judges it', async (t) => {
  const up = await fakeUpstream(t);
  const { upstream } = await anUpstream(t, up.url);
  for (const order of [emptyPage, html('<title>Links for demo</title>'), html('<h1>Simple index</h1>')]) {
    up.order('/simple/demo/', order);
    assert.equal(typeof (await upstream.page(DEMO)), 'object');
  }
});

test('a plain listing of files is a page', async (t) => {
  const up = await fakeUpstream(t);
  up.order('/simple/demo/', html('<pre><a href="../">..</a>\n<A HREF=demo-1.0.tar.gz>demo-1.0.tar.gz</A></pre>'));
  const { upstream } = await anUpstream(t, up.url);
  assert.equal(typeof (await upstream.page(DEMO)), 'object');
});

test('follows up to 5 redirects; links are relative to where they end', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(wheel);
  up.order('/simple/demo/', { hops: 5 });
  const { upstream } = await anUpstream(t, up.url);
  const page = await upstream.page(DEMO);
  assert.ok(typeof page === 'object');
  assert.equal(page.url.href, `${up.url}demo/?hop=5`);
});

test('a black hole ends with the time limit', async (t) => {
  const up = await fakeUpstream(t);
  up.order('*', { hang: true });
  const { upstream, clock } = await anUpstream(t, up.url, { timeoutMs: 7_000 });
  const asked = upstream.page(DEMO);
  const refused = assert.rejects(asked, problem('upstream-timeout', /no answer in time/));
  await up.waitFor('/simple/demo/');
  await clock.advance(7_000);
  await refused;
});

test('so does a page that drips', async (t) => {
  const up = await fakeUpstream(t);
  const never = Promise.withResolvers<void>();
  t.after(() => never.resolve());
  up.project('demo').add(wheel);
  up.order('/simple/demo/', { holdAfter: { bytes: 30, until: never.promise } });
  const { upstream, clock } = await anUpstream(t, up.url);
  const refused = assert.rejects(upstream.page(DEMO), problem('upstream-timeout'));
  await up.waitFor('/simple/demo/');
  await clock.advance(10_000);
  await refused;
});

test('tries again after failures that pass, within the time of the caller', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(wheel);
  const { upstream, clock } = await anUpstream(t, up.url, { retries: 2 });
  up.order('/simple/demo/', { status: 503, times: 1, headers: { 'retry-after': '3' } }, { reset: true, times: 1 });
  const asked = upstream.page(DEMO);
  await up.waitFor('/simple/demo/', 1);
  await clock.untilSleeping(2);
  await clock.advance(2_999);
  assert.equal(up.requests('/simple/demo/'), 1, 'Retry-After is waited for');
  await clock.advance(1);
  await up.waitFor('/simple/demo/', 2);
  await clock.untilSleeping(2);
  await clock.advance(200);
  assert.equal(typeof (await asked), 'object');
  assert.equal(up.requests('/simple/demo/'), 3);
  up.order('/simple/demo/', { status: 503, headers: { 'retry-after': '3600' } });
  await assert.rejects(upstream.page(DEMO), (error: unknown) => {
    assert.equal((error as { retryAfter?: number }).retryAfter, 3600);
    return true;
  });
  assert.equal(up.requests('/simple/demo/'), 4, 'nobody waits for an hour');
  up.order('/simple/demo/', { status: 500 });
  await assert.rejects(upstream.page(DEMO), problem('upstream-unavailable'));
  assert.equal(up.requests('/simple/demo/'), 5, 'a 500 does not pass');
});

test('asks for no more pages at once than it may', async (t) => {
  const up = await fakeUpstream(t);
  const gate = Promise.withResolvers<void>();
  up.order('*', { hold: gate.promise });
  const { upstream } = await anUpstream(t, up.url, { maxPages: 2 });
  const all = Promise.all([1, 2, 3, 4].map(() => upstream.page(DEMO)));
  await up.waitFor('*', 2);
  assert.equal(up.requests(), 2);
  gate.resolve();
  await all;
  assert.equal(up.requests(), 4);
});

test('a fallback is asked when the first address fails, and its validators stay its own', async (t) => {
  const [up, second] = [await fakeUpstream(t), await fakeUpstream(t)];
  second.project('demo').add(wheel);
  const { upstream, clock } = await anUpstream(t, up.url, { fallbacks: [new URL(second.url)] });
  assert.equal(await upstream.page(DEMO), 'absent', 'an answer needs no second opinion');
  up.order('*', { status: 502 });
  const page = await upstream.page(DEMO);
  assert.ok(typeof page === 'object');
  assert.equal(page.url.origin, new URL(second.url).origin);
  assert.equal(page.isFallback, true);
  const lacking = upstream.page(parseProjectName('other'));
  await assert.rejects(lacking, problem('upstream-unavailable', /answered 502/), 'the first may have it');
  assert.equal(await upstream.page(DEMO, { etag: page.etag ?? '' }), 'not-modified');
  up.order('*');
  await upstream.page(DEMO, { etag: page.etag ?? '' });
  assert.equal(up.seen('/simple/demo/').at(-1)?.headers['if-none-match'], undefined);
  up.order('*', { hang: true });
  const asked = upstream.page(DEMO);
  await up.waitFor('*', up.requests() + 1);
  await clock.advance(5_000);
  assert.equal(typeof (await asked), 'object', 'half of the time is left for it');
  await up.refuse();
  await second.refuse();
  // Connections that were kept alive are cut first.
  for (let i = 0; i < 3; i += 1) await assert.rejects(upstream.page(DEMO), problem('upstream-unavailable'));
  assert.equal(upstream.health().state, 'open');
});
