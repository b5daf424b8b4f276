import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { proxiesOfEnvironment, proxyFor } from '../../../server/upstream/proxy.ts';
import { selfSigned } from '../../support/certificate.ts';
import { fakeProxy } from '../../support/fake-proxy.ts';
import { fakeUpstream } from '../../support/fake-upstream.ts';
import { makeWheel } from '../../support/wheel.ts';
import { anUpstream, DEMO, problem } from './an-upstream.ts';

const wheel = makeWheel({ name: 'demo', version: '1.0' });

test('a private certificate authority is trusted when it is given, and only then', async (t) => {
  const tls = selfSigned();
  const up = await fakeUpstream(t, { tls });
  up.project('demo').add(wheel);
  const { upstream } = await anUpstream(t, up.url, { ca: tls.cert });
  assert.equal(typeof (await upstream.page(DEMO)), 'object');
  const { upstream: other } = await anUpstream(t, up.url);
  await assert.rejects(other.page(DEMO), problem('upstream-unavailable', /TLS/));
  assert.equal(other.health().state, 'open');
});

test('https is not left for http by a page, and by a file only when its digest is known', async (t) => {
  const tls = selfSigned();
  const [up, plain] = [await fakeUpstream(t, { tls }), await fakeUpstream(t)];
  plain.project('demo').add(wheel);
  up.order('/simple/demo/', { redirect: `${plain.url}demo/` });
  up.order('/files/*', { redirect: `${plain.filesUrl}${wheel.filename}` });
  const { upstream } = await anUpstream(t, up.url, { ca: tls.cert });
  await assert.rejects(upstream.page(DEMO), problem('upstream-unavailable', /from https to http/));
  const target = { project: DEMO, filename: wheel.filename, url: new URL(`${up.filesUrl}${wheel.filename}`) };
  const { signal } = new AbortController();
  await assert.rejects(upstream.download(target, { signal }), problem('upstream-unavailable', /from https to http/));
  const { body } = await upstream.download({ ...target, sha256: wheel.sha256 }, { signal });
  assert.deepEqual(await buffer(body), wheel.bytes);
});

test('a name that cannot be resolved and TLS where there is none are outages', async (t) => {
  const up = await fakeUpstream(t);
  const { upstream: unnamed } = await anUpstream(t, 'http://index.invalid/simple/');
  await assert.rejects(unnamed.page(DEMO), problem('upstream-unavailable', /name cannot be resolved/));
  const { upstream } = await anUpstream(t, up.url.replace('http:', 'https:'));
  await assert.rejects(upstream.page(DEMO), problem('upstream-unavailable', /TLS/));
});

test('connecting has a limit of its own', async (t) => {
  // Takes the connection, and never says a word of TLS.
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const connected = new Promise((resolve) => silent.once('connection', resolve));
  t.after(() => new Promise<void>((resolve) => silent.close(() => resolve())));
  const address = silent.address();
  assert.ok(typeof address === 'object' && address);
  const { upstream, clock } = await anUpstream(t, `https://127.0.0.1:${address.port}/simple/`);
  const refused = assert.rejects(upstream.page(DEMO), problem('upstream-unavailable', /no connection in time/));
  await connected;
  await clock.advance(5_000);
  await refused;
  assert.equal(upstream.health().state, 'open');
});

test('goes through the proxy of the environment, http and https, with its credentials', async (t) => {
  const tls = selfSigned('index.example.test');
  const plain = await fakeUpstream(t);
  plain.project('demo').add(wheel);
  const first = await fakeProxy(t, new URL(plain.url));
  const proxies = { http: first.url.replace('//', '//user:pass@') };
  const { upstream } = await anUpstream(t, 'http://index.example.test/simple/', { proxies });
  assert.equal(typeof (await upstream.page(DEMO)), 'object');
  assert.equal(first.asked[0]?.what, 'GET http://index.example.test/simple/demo/');
  assert.equal(first.asked[0]?.headers['proxy-authorization'], `Basic ${Buffer.from('user:pass').toString('base64')}`);
  plain.order('/simple/demo/', { redirect: 'http://127.0.0.1:9/simple/demo/' });
  await assert.rejects(upstream.page(DEMO), problem('upstream-unavailable', /private network/));

  const secure = await fakeUpstream(t, { tls });
  secure.project('demo').add(wheel);
  const second = await fakeProxy(t, new URL(secure.url));
  const url = secure.url.replace('127.0.0.1', 'localhost');
  const { upstream: tunnelled } = await anUpstream(t, url, { proxies: { https: second.url }, ca: tls.cert });
  assert.equal(typeof (await tunnelled.page(DEMO)), 'object');
  assert.equal(second.asked[0]?.what, `CONNECT ${new URL(url).host}`);

  const { upstream: direct } = await anUpstream(t, secure.url, {
    proxies: { https: second.url, none: '127.0.0.1' },
    ca: tls.cert,
  });
  assert.equal(typeof (await direct.page(DEMO)), 'object');
  assert.equal(second.asked.length, 1);
});

test('NO_PROXY covers hosts, their subdomains, ports and everything', () => {
  const proxied = (url: string, none: string): boolean =>
    proxyFor(new URL(url), { https: 'http://proxy.test:3128', http: 'proxy.test:3128', none }) !== undefined;
  assert.equal(proxyFor(new URL('http://a.test/'), { http: 'proxy.test:3128' })?.href, 'http://proxy.test:3128/');
  assert.equal(proxyFor(new URL('http://a.test/'), { https: 'http://proxy.test' }), undefined);
  assert.equal(proxyFor(new URL('https://a.test/'), { https: '' }), undefined);
  const cases: readonly [url: string, none: string, isProxied: boolean][] = [
    ['https://a.test/', '', true],
    ['https://a.test/', '*', false],
    ['https://a.test/', 'a.test', false],
    ['https://b.a.test/', 'a.test', false],
    ['https://b.a.test/', '.a.test', false],
    ['https://b.a.test/', '*.a.test', false],
    ['https://ba.test/', 'a.test', true],
    ['https://A.test/', 'x, A.TEST', false],
    ['https://a.test/', 'a.test:443', false],
    ['https://a.test:8443/', 'a.test:443', true],
    ['http://127.0.0.1:99/', 'localhost 127.0.0.1', false],
    ['https://a.test/', ',, ,', true],
  ];
  for (const [url, none, isProxied] of cases) assert.equal(proxied(url, none), isProxied, `${url} ${none}`);
});

test('the environment tells the proxies, and this machine is reached without one', () => {
  const settings = proxiesOfEnvironment({
    HTTPS_PROXY: 'http://up.test:1',
    https_proxy: 'http://low.test:2',
    NO_PROXY: 'inside.test',
  });
  assert.equal(proxyFor(new URL('https://index.example/'), settings)?.host, 'low.test:2');
  assert.equal(proxyFor(new URL('http://index.example/'), settings), undefined);
  for (const direct of ['https://localhost:9/', 'https://127.0.0.1/', 'https://[::1]:8/', 'https://a.inside.test/']) {
    assert.equal(proxyFor(new URL(direct), settings), undefined, direct);
  }
  assert.equal(
    proxyFor(new URL('http://index.example/'), proxiesOfEnvironment({ ALL_PROXY: 'http://all.test' }))?.host,
    'all.test',
  );
  assert.deepEqual(Object.keys(proxiesOfEnvironment({ HTTP_PROXY: '' })), ['none']);
});
