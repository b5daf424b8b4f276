import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts';
import { rawRequest } from '../support/raw-request.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { makeWheel } from '../support/wheel.ts';

type Context = Parameters<typeof fakeUpstream>[0];

const wheel = makeWheel({ name: 'demo', version: '1.0' });

/** Where a name can stand in an address. */
const ROUTES: readonly ((evil: string) => string)[] = [
  (evil) => `/${evil}`,
  (evil) => `/${evil}/json`,
  (evil) => `/simple/${evil}`,
  (evil) => `/simple/${evil}/`,
  (evil) => `/simple/demo/${evil}`,
  (evil) => `/simple/demo/${evil}.metadata`,
  (evil) => `/simple/${evil}/${wheel.filename}`,
  (evil) => `/index/${evil}/simple/demo/`,
  (evil) => `/at/${evil}/simple/demo/`,
  (evil) => `/offline/simple/${evil}/`,
  (evil) => `/offline/simple/demo/${evil}`,
  (evil) => `/pypi/${evil}/json`,
  (evil) => `/pypi/demo/${evil}/json`,
  (evil) => `/integrity/${evil}/1.0/${wheel.filename}/provenance`,
  (evil) => `/integrity/demo/1.0/${evil}/provenance`,
  (evil) => `/legacy/+simple/${evil}/`,
  (evil) => `/bundles/${evil}`,
  (evil) => `/bundles/app/${evil}`,
  (evil) => `/bundles/app/1.0/${evil}`,
  (evil) => `/bundles/app/@${evil}/download`,
  (evil) => `/sources/demo/${evil}`,
  (evil) => `/admin/jobs/${evil}`,
  (evil) => `/admin/tokens/${evil}`,
  (evil) => `/assets/${evil}`,
];

const EVIL: readonly string[] = [
  '..',
  '../..',
  '../../../../etc/passwd',
  '..%2f..%2f..%2fetc%2fpasswd',
  '..%252f..%252fetc%252fpasswd',
  '%2e%2e/%2e%2e/etc/passwd',
  '%2e%2e%2f',
  '....//....//etc/passwd',
  '..%5c..%5cwindows%5cwin.ini',
  '..\\..\\x',
  '%00',
  'demo%00.whl',
  '%0d%0aSet-Cookie:%20evil=1',
  'demo%0aX-Injected:%20yes',
  '%0d%0a%0d%0a<script>alert(1)</script>',
  '<script>alert(1)</script>',
  '%3Cscript%3Ealert(1)%3C/script%3E',
  '"\'><img%20src=x>',
  '%',
  '%zz',
  '%c0%ae%c0%ae%c0%af',
  '%e0%80%af',
  '%ff%fe',
  '%ed%a0%80',
  '%E2%80%AE',
  '%F0%9F%92%A9',
  '~root',
  '.git',
  '.',
  '-',
  '_',
  '*',
  '|id',
  '$(id)',
  '`id`',
  "';DROP%20TABLE%20project;--",
  '%25',
  '$%7Bjndi:ldap://x.example/%7D',
  '__proto__',
  'constructor',
  'toString',
  'a'.repeat(300),
  'a'.repeat(10_000),
  `${'%61'.repeat(3_000)}`,
  '/etc/passwd',
  '//evil.example/',
  'http://evil.example/simple/demo/',
  'file:///etc/passwd',
  '0',
  'NaN',
  '99999999999999999999',
  '2026-13-45',
  '2026-01-01T00:00:00',
  '-1',
  '+',
  ' '.replace(' ', '%20'),
];

async function stage(t: Context): Promise<{ up: FakeUpstream; app: TestApp }> {
  const up = await fakeUpstream(t);
  up.project('demo').add(wheel);
  const app = await testApp(t, { upstream: up.url });
  assert.equal((await app.get(`/simple/demo/${wheel.filename}`)).status, 200);
  return { up, app };
}

function checkHarmless({ up, app }: { up: FakeUpstream; app: TestApp }): void {
  const asked = up.seen().map(({ path }) => path);
  const odd = asked.filter((path) => !/^\/simple\/[a-z0-9]+(?:-[a-z0-9]+)*\/$|^\/files\/[\w.-]+$/.test(path));
  assert.deepEqual(odd, [], 'upstream is asked for names only');
  const failed = app.logged.filter((line) => Number(line.level) >= 50);
  assert.deepEqual(failed, []);
}

test('no address, however evil, is more than refused', async (t) => {
  const { up, app } = await stage(t);
  const authorization = `Bearer ${app.token}`;
  for (const route of ROUTES) {
    const answers = await Promise.all(
      EVIL.flatMap((evil) =>
        ['GET', 'HEAD', 'DELETE'].map(async (method) => {
          const path = route(evil);
          const headers = evil.length % 2 === 0 ? { authorization } : {};
          return { what: `${method} ${path.slice(0, 100)}`, ...(await rawRequest(app.url, { method, path, headers })) };
        }),
      ),
    );
    for (const { what, status, headers, body } of answers) {
      assert.ok(status < 500, `${what}: ${status}`);
      assert.equal(headers['set-cookie'], undefined, what);
      assert.equal(headers['x-injected'], undefined, what);
      assert.ok(!/root:|PRIVATE|at .*\.ts:\d+/.test(body), `${what}: ${body}`);
      if (/html/.test(String(headers['content-type']))) assert.ok(!body.includes('<script'), what);
      const { location } = headers;
      if (location !== undefined) assert.match(location, /^(?:\.\.\/)*[a-z0-9-]+(?:\/|$)/, `${what}: ${location}`);
      if (status === 405) assert.ok(headers.allow !== undefined, what);
    }
  }
  checkHarmless({ up, app });
});

/** Requests that no library sends, and the beginning of what is to come. */
const RAW: readonly (readonly [string, string, RegExp])[] = [
  ['a Host that is none', 'GET / HTTP/1.1\r\nHost: "><script>\r\n\r\n', /^HTTP\/1\.1 200/],
  ['a Host with a blank', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', /^HTTP\/1\.1 200/],
  ['half an address as Host', 'GET / HTTP/1.1\r\nHost: [::1\r\n\r\n', /^HTTP\/1\.1 200/],
  ['a Host with a port beyond all', 'GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n', /^HTTP\/1\.1 200/],
  ['a Host of numbers', 'GET / HTTP/1.1\r\nHost: 1.2.3.4.5\r\n\r\n', /^HTTP\/1\.1 200/],
  ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', /^HTTP\/1\.1 200/],
  ['no Host, in 1.0', 'GET / HTTP/1.0\r\n\r\n', /^HTTP\/1\.1 200/],
  ['no Host, in 1.1', 'GET / HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400/],
  ['an evil Host in JSON', 'GET /pypi/demo/json HTTP/1.1\r\nHost: a"\\b\r\n\r\n', /^HTTP\/1\.1 200/],
  [
    'another host in the address',
    'GET http://evil.example/simple/demo_ HTTP/1.1\r\nHost: a\r\n\r\n',
    /^HTTP\/1\.1 400/,
  ],
  ['a redirect to another host', 'GET //evil.example/simple/Demo HTTP/1.1\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 404/],
  ['a space in the address', 'GET /simple/a b/ HTTP/1.1\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 400/],
  ['a bare line feed', 'GET /simple/a\nX: y HTTP/1.1\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 (?:301|400)/],
  ['latin-1 in the address', 'GET /simple/d\xe9mo/ HTTP/1.1\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 400/],
  ['a NUL in a header', 'GET /simple/demo/ HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n', /^HTTP\/1\.1 400/],
  ['a method nobody knows', 'BREW /simple/demo/ HTTP/1.1\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 400/],
  [
    'two lengths',
    'POST /legacy/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc',
    /^HTTP\/1\.1 400/,
  ],
  [
    'chunked with a length',
    'POST /legacy/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n',
    /^HTTP\/1\.1 400/,
  ],
  [
    'packed for the way',
    'PUT /bundles/a/1/a-1.tar.gz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    /^HTTP\/1\.1 400.*Transfer-Encoding may be chunked/s,
  ],
  ['a long address', `GET /simple/${'a'.repeat(20_000)}/ HTTP/1.1\r\nHost: a\r\n\r\n`, /^HTTP\/1\.1 431/],
  ['many headers', `GET /livez HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(5_000)}\r\n`, /^HTTP\/1\.1 431/],
  ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', /^(?:HTTP\/1\.1 400|$)/],
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /^HTTP\/1\.1 (?:400|505)/],
  ['everything', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 (?:204|404|405)/],
  ['a tunnel', 'CONNECT evil.example:443 HTTP/1.1\r\nHost: a\r\n\r\n', /^(?:HTTP\/1\.1 4|$)/],
  [
    'another protocol',
    'GET /simple/demo/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
    /^HTTP\/1\.1 200/,
  ],
  [
    'a body that is not read',
    'GET /simple/demo/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc',
    /^HTTP\/1\.1 200/,
  ],
];

test('a request that is hardly one is answered or cut off, and the server goes on', async (t) => {
  const { up, app } = await stage(t);
  for (const [what, request, expected] of RAW) {
    const answer = await exchange(app.url, request);
    assert.match(answer, expected, `${what}: ${answer.slice(0, 300)}`);
    assert.ok(!answer.includes('<script>') && !answer.includes('a"\\\\b'), what);
    assert.equal((await app.get('/livez')).status, 200, what);
  }
  checkHarmless({ up, app });
});

test('a log line holds no more of a request than fits, and no token that stands in an address', async (t) => {
  const { app } = await stage(t);
  const agent = 'x'.repeat(5_000);
  await rawRequest(app.url, { path: `/simple/demo/${'%0a{}'.repeat(1_000)}`, headers: { 'user-agent': agent } });
  await rawRequest(app.url, { path: `/simple/demo/${'b'.repeat(8_000)}`, headers: { 'user-agent': agent } });
  const secret = `sc_${'A'.repeat(46)}`;
  await rawRequest(app.url, { path: `/simple/demo/${secret}.whl?token=${secret}` });
  await rawRequest(app.url, { path: `/simple/demo/${'c'.repeat(480)}${secret}` });
  for (const line of app.logged) {
    const text = JSON.stringify(line);
    assert.ok(text.length < 2_000, text.slice(0, 300));
    assert.ok(!text.includes(secret.slice(0, 20)), text);
  }
});

/** Sends bytes as they are; what came when the other side closed, or was silent for a while. */
function exchange(url: string, request: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    const done = (): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setEncoding('latin1');
    socket.setTimeout(2_000, done);
    socket.on('error', done);
    socket.on('close', done);
    socket.on('data', (chunk: string) => {
      answer += chunk;
      const [head = '', body] = answer.split('\r\n\r\n', 2);
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
      if (body !== undefined && body.length >= length) done();
    });
    socket.write(Buffer.from(request, 'latin1'));
  });
}
