import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { rawRequest } from '../support/raw-request.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { makeSdist, makeWheel } from '../support/wheel.ts';

type Context = Parameters<typeof fakeUpstream>[0];

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';
const HTML_TYPE = 'application/vnd.pypi.simple.v1+html';
const PLAIN_TYPE = 'text/html; charset=utf-8';

async function stage(t: Context) {
  const up = await fakeUpstream(t);
  const project = up.project('demo-pkg');
  for (let i = 0; i < 10; i += 1) project.add(makeWheel({ name: 'Demo_Pkg', version: `1.${i}` }));
  const clock = new FakeClock();
  const app = await testApp(t, { upstream: up.url, clock });
  return { up, app, clock };
}

/** What clients were seen to send, and what comes. */
const ACCEPTS: readonly (readonly [string | undefined, string])[] = [
  [`${JSON_TYPE}, ${HTML_TYPE}; q=0.1, text/html; q=0.01`, JSON_TYPE],
  [`${JSON_TYPE}, ${HTML_TYPE};q=0.2, text/html;q=0.01`, JSON_TYPE],
  [`${JSON_TYPE}, */*;q=0.1`, JSON_TYPE],
  [`${JSON_TYPE}, ${HTML_TYPE}, text/html;q=0.01`, JSON_TYPE],
  ['application/vnd.pypi.simple.latest+json', JSON_TYPE],
  ['application/vnd.pypi.simple.latest+html', HTML_TYPE],
  [HTML_TYPE, HTML_TYPE],
  [`${JSON_TYPE};q=0.1, text/html;q=0.9`, PLAIN_TYPE],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', PLAIN_TYPE],
  ['*/*', PLAIN_TYPE],
  ['text/*', PLAIN_TYPE],
  ['application/json', PLAIN_TYPE],
  ['application/xml', PLAIN_TYPE],
  ['', PLAIN_TYPE],
  ['; ; ,,q=', PLAIN_TYPE],
  [`${JSON_TYPE};q=0`, PLAIN_TYPE],
];

test('a page and the list come in the form that is asked for, and say what they depend on', async (t) => {
  const { app } = await stage(t);
  for (const path of ['/simple/demo-pkg/', '/simple/', '/offline/simple/', '/at/2030-01-01/simple/demo-pkg/']) {
    for (const [accept, type] of ACCEPTS) {
      const answer = await rawRequest(app.url, { path, headers: accept === undefined ? {} : { accept } });
      assert.equal(answer.status, 200, `${path} ${accept}`);
      assert.equal(answer.headers['content-type'], type, `${path} ${accept}`);
      assert.match(String(answer.headers.vary), /\bAccept\b/);
      assert.match(String(answer.headers['cache-control']), /no-cache/);
      assert.match(String(answer.headers['cache-status']), /^stormcellar; /);
      if (type === JSON_TYPE) assert.equal((JSON.parse(answer.body) as { meta: object }).meta !== undefined, true);
      else assert.match(answer.body, /^<!DOCTYPE html>/);
    }
    for (const format of [JSON_TYPE, encodeURIComponent(JSON_TYPE), 'application/vnd.pypi.simple.latest+json']) {
      const answer = await app.get(`${path}?format=${format}`, { headers: { accept: 'text/html' } });
      assert.equal(answer.headers.get('content-type'), JSON_TYPE, format);
    }
    for (const query of ['?format=nonsense', '?format=', '?format=a&format=b', '?format[]=x', '?x=1'])
      assert.equal((await app.get(path + query)).headers.get('content-type'), PLAIN_TYPE, query);
  }
});

test('each form and encoding of a page has a tag of its own, and 304 repeats what a cache needs', async (t) => {
  const { app } = await stage(t);
  const tags = new Set<string>();
  const forms = [JSON_TYPE, 'text/html'].flatMap((accept) =>
    ['identity', 'gzip'].map((encoding) => ({ accept, 'accept-encoding': encoding })),
  );
  for (const headers of forms) {
    const answer = await app.get('/simple/demo-pkg/', { headers });
    const etag = answer.headers.get('etag') ?? '';
    assert.match(etag, /^"[^"]+"$/, 'strong');
    assert.ok(!tags.has(etag), 'its own');
    tags.add(etag);
    assert.equal(answer.headers.get('content-encoding'), headers['accept-encoding'] === 'gzip' ? 'gzip' : null);
    for (const condition of [etag, `W/${etag}`, `"x", ${etag}`, '*'])
      for (const method of ['GET', 'HEAD']) {
        const same = await app.get('/simple/demo-pkg/', {
          method,
          headers: { ...headers, 'if-none-match': condition },
        });
        assert.equal(same.status, 304, condition);
        for (const name of ['etag', 'vary', 'cache-control', 'cache-status'])
          assert.ok(same.headers.get(name), `${name} on 304`);
        assert.equal(same.headers.get('etag'), etag);
        assert.equal(same.headers.get('vary'), answer.headers.get('vary'));
        assert.equal(await same.text(), '');
      }
  }
  for (const headers of forms)
    for (const tag of tags) {
      const own = (await app.get('/simple/demo-pkg/', { headers })).headers.get('etag');
      const answer = await app.get('/simple/demo-pkg/', { headers: { ...headers, 'if-none-match': tag } });
      assert.equal(answer.status, tag === own ? 304 : 200, 'a tag of another form is none of this one');
    }
  const missing = await app.get('/simple/missing/');
  assert.equal(missing.status, 404);
  assert.match(missing.headers.get('vary') ?? '', /Accept/);
});

test('a page that If-Match does not name is not sent', async (t) => {
  const { app } = await stage(t);
  const etag = (await app.get('/simple/demo-pkg/', { headers: { accept: JSON_TYPE } })).headers.get('etag') ?? '';
  for (const [condition, status] of Object.entries({
    [etag]: 200,
    '*': 200,
    [`"x", ${etag}`]: 200,
    '"x"': 412,
    [`W/${etag}`]: 412,
  })) {
    for (const path of ['/simple/demo-pkg/', '/simple/demo-pkg/?x']) {
      const answer = await app.get(path, {
        headers: { accept: JSON_TYPE, 'if-match': condition },
      });
      assert.equal(answer.status, status, condition);
    }
  }
});

test('HEAD is GET without its body', async (t) => {
  const { app } = await stage(t);
  const paths = ['/simple/', '/simple/demo-pkg/', '/pypi/demo-pkg/json', '/simple/missing/', '/demo-pkg/json', '/'];
  await app.get('/simple/demo-pkg/');
  await app.get('/pypi/demo-pkg/json');
  for (const path of [...paths, '/simple/demo-pkg', '/readyz', '/livez', '/metrics']) {
    const headers = { 'accept-encoding': 'identity' };
    const [get, head] = [await app.get(path, { headers }), await app.get(path, { headers, method: 'HEAD' })];
    assert.equal(head.status, get.status, path);
    assert.equal(await head.text(), '', path);
    const own = new Set(['x-request-id', 'date', 'connection', 'keep-alive', 'transfer-encoding', 'content-length']);
    const shown = ({ headers }: Response) => [...headers].filter(([name]) => !own.has(name));
    assert.deepEqual(shown(head), shown(get), path);
    const length = head.headers.get('content-length');
    if (length !== null && path !== '/metrics')
      assert.equal(length, String((await get.arrayBuffer()).byteLength), path);
  }
});

test('other spellings lead to the one address, relative, with the query, by 301', async (t) => {
  const { app } = await stage(t);
  const wheel = 'demo_pkg-1.0-py3-none-any.whl';
  const cases: readonly (readonly [string, string])[] = [
    ['/simple', 'simple/'],
    ['/index/main/simple?x', 'simple/?x'],
    ['/simple/demo-pkg', 'demo-pkg/'],
    ['/simple/Demo_Pkg', 'demo-pkg/'],
    ['/simple/demo..pkg/', '../demo-pkg/'],
    ['/simple/DEMO-PKG/?format=a%20b&c', '../demo-pkg/?format=a%20b&c'],
    ['/offline/simple/demo.pkg', 'demo-pkg/'],
    ['/at/2024-01-01/offline/simple/demo--pkg/', '../demo-pkg/'],
    [`/simple/Demo.Pkg/${wheel}`, `../demo-pkg/${wheel}`],
    ['/pypi/Demo_Pkg/json', '../demo-pkg/json'],
    ['/pypi/Demo_Pkg/1.0/json', '../../demo-pkg/1.0/json'],
    ['/pypi/demo-pkg/json/', '../../demo-pkg/json'],
  ];
  for (const [path, location] of cases) {
    for (const method of ['GET', 'HEAD']) {
      const answer = await app.get(path, { method });
      assert.equal(answer.status, 301, path);
      assert.equal(answer.headers.get('location'), location, path);
    }
    const followed = await fetch(app.url + path);
    assert.ok([200, 404].includes(followed.status), `${path}: ${followed.status}`);
    assert.ok(!followed.url.includes('Demo') && !followed.url.includes('DEMO'), followed.url);
  }
});

test('the legacy JSON API names files where they are, whatever words the address begins with', async (t) => {
  const { app, up } = await stage(t);
  const file = makeWheel({ name: 'offline-tools', version: '1.0' });
  up.project('offline-tools').add(file);
  for (const [path, before] of [
    ['/offline-tools/json', ''],
    ['/pypi/offline-tools/json', ''],
    ['/index/main/pypi/offline-tools/json', '/index/main'],
    ['/index/main/offline-tools/json', '/index/main'],
  ] as const) {
    const answer = (await (await app.get(path)).json()) as { urls: { url: string }[] };
    assert.deepEqual(
      answer.urls.map(({ url }) => url),
      [`${app.url}${before}/simple/offline-tools/${file.filename}`],
      path,
    );
  }
});

test('methods that are not for an address are 405 and say which are', async (t) => {
  const { app, up } = await stage(t);
  const reading = 'GET, HEAD, OPTIONS';
  const cases: readonly (readonly [string, string])[] = [
    ['/simple/', reading],
    ['/simple/demo-pkg/', reading],
    ['/simple/demo-pkg/demo_pkg-1.0-py3-none-any.whl', reading],
    ['/index/main/simple/demo-pkg/', reading],
    ['/offline/simple/demo-pkg/', reading],
    ['/pypi/demo-pkg/json', reading],
    ['/livez', 'GET, HEAD'],
    ['/readyz', 'GET, HEAD'],
    ['/metrics', 'GET, HEAD'],
    ['/', 'GET, HEAD'],
  ];
  for (const [path, allow] of cases)
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'TRACE', 'QUERY']) {
      const answer = await rawRequest(app.url, { method, path, headers: { 'content-length': '0' } });
      assert.equal(answer.status, 405, `${method} ${path}`);
      assert.equal(answer.headers.allow, allow, `${method} ${path}`);
    }
  assert.equal(up.requests(), 0);
  const upload = await app.get('/legacy/');
  assert.equal(upload.status, 405);
  assert.equal(upload.headers.get('allow'), 'POST');
});

test('a browser may ask before it asks for a part', async (t) => {
  const { app, up } = await stage(t);
  for (const path of ['/simple/demo-pkg/', '/simple/demo-pkg/demo_pkg-1.0-py3-none-any.whl', '/simple/']) {
    const answer = await app.get(path, {
      method: 'OPTIONS',
      headers: { origin: 'https://page.example', 'access-control-request-headers': 'range' },
    });
    assert.equal(answer.status, 204);
    assert.equal(answer.headers.get('access-control-allow-origin'), '*');
    assert.match(answer.headers.get('access-control-allow-headers') ?? '', /Range/);
  }
  assert.equal(up.requests(), 0);
  const file = '/simple/demo-pkg/demo_pkg-1.0-py3-none-any.whl';
  const others = [
    '/simple/',
    '/simple/Demo_pkg',
    '/simple/missing/',
    '/simple/missing/x-1.0.tar.gz',
    '/simple/missing/?x',
  ];
  for (const path of [file, `${file}.metadata`, '/pypi/demo-pkg/json', '/pypi/missing/json', ...others]) {
    const { headers } = await app.get(path, { headers: { range: 'bytes=0-3' } });
    assert.equal(headers.get('access-control-allow-origin'), '*', path);
    if (path.startsWith(file)) assert.match(String(headers.get('access-control-expose-headers')), /Content-Range/);
  }
  const shut = await testApp(t, { config: { access: { anonymous: [] } } });
  const theirs = await shut.admin('/simple/missing/');
  assert.equal(theirs.headers.get('access-control-allow-origin'), null, 'not where a token is needed');
});

test('every answer has an id, which the log and the problem have as well', async (t) => {
  const { app } = await stage(t);
  const ids: string[] = [];
  for (const path of ['/simple/demo-pkg/', '/simple/missing/', '/nothing', '/simple/%zz/', '/pypi/missing/json']) {
    const answer = await app.get(path, { headers: { 'x-request-id': 'mine' } });
    const id = answer.headers.get('x-request-id') ?? '';
    assert.match(id, /^[0-9a-f-]{36}$/, path);
    ids.push(id);
    if (answer.headers.get('content-type') === 'application/problem+json') {
      const { instance, status, type } = (await answer.json()) as { instance: string; status: number; type: string };
      assert.deepEqual([instance, status], [id, answer.status]);
      assert.match(type, /^\/problems\//);
    }
  }
  assert.equal(new Set(ids).size, ids.length);
  const logged = app.logged.filter((line) => line.msg === 'request').map((line) => line.id);
  assert.deepEqual(logged, ids);
});

test('an error of the index is a sentence in the status line, in the body, and JSON for who asks', async (t) => {
  const { app } = await stage(t);
  const plain = await rawRequest(app.url, { path: '/simple/missing/' });
  assert.equal(plain.statusMessage, 'Project not found: No project missing is known here.');
  assert.equal(plain.body, 'Project not found: No project missing is known here.\n');
  assert.match(String(plain.headers['content-type']), /^text\/plain/);
  const json = await app.get('/simple/missing/', { headers: { accept: 'application/json' } });
  assert.equal(json.headers.get('content-type'), 'application/json');
  assert.equal(((await json.json()) as { title: string }).title, 'Project not found');
  const document = await app.get('/simple/missing/', { headers: { accept: 'application/problem+json' } });
  assert.equal(document.headers.get('content-type'), 'application/problem+json');
  const elsewhere = await app.get('/nothing/of/that/kind');
  assert.equal(elsewhere.headers.get('content-type'), 'application/problem+json');
});

test('Cache-Status tells where an answer came from, as time goes by and things go wrong', async (t) => {
  const { up, app, clock } = await stage(t);
  const status = async () => (await app.get('/simple/demo-pkg/')).headers.get('cache-status');
  assert.equal(await status(), 'stormcellar; fwd=miss');
  assert.equal(await status(), 'stormcellar; hit');
  await clock.advance(11 * 60_000);
  assert.equal(await status(), 'stormcellar; fwd=stale; fwd-status=304');
  assert.equal(await status(), 'stormcellar; hit');
  await clock.advance(11 * 60_000);
  up.project('demo-pkg').add(makeSdist({ name: 'demo-pkg', version: '2.0' }));
  assert.match(String(await status()), /^stormcellar; fwd=(?:stale|miss)/);
  await clock.advance(11 * 60_000);
  up.order('*', { status: 404 });
  assert.equal(await status(), 'stormcellar; fwd=stale; detail=suspect');
  assert.equal((await app.get('/offline/simple/')).headers.get('cache-status'), 'stormcellar; hit');
});

test('what a page says of each file is what it is served as (traps 7, 8, 23)', async (t) => {
  const { app } = await stage(t);
  await checkPage(app);
  await (await app.get('/simple/demo-pkg/demo_pkg-1.3-py3-none-any.whl')).arrayBuffer();
  await checkPage(app);
});

async function checkPage(app: TestApp): Promise<void> {
  const base = `${app.url}/simple/demo-pkg/`;
  const page = (await (await app.get('/simple/demo-pkg/', { headers: { accept: JSON_TYPE } })).json()) as {
    files: { filename: string; url: string; size: number; hashes: { sha256: string } }[];
  };
  assert.equal(page.files.length, 10);
  assert.ok(!JSON.stringify(page).includes('null'));
  for (const { filename, url, size, hashes } of page.files) {
    assert.equal(decodeURIComponent(new URL(url, base).pathname.split('/').at(-1) ?? ''), filename);
    assert.equal(new URL(url, base).search, '');
    const head = await fetch(new URL(url, base), { method: 'HEAD' });
    assert.equal(head.headers.get('content-length'), String(size));
    assert.equal(head.headers.get('etag'), `"${hashes.sha256}"`);
  }
}
