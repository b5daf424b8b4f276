import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { makeBundle } from '../support/bundle.ts';
import { spoolsOf } from '../support/spools.ts';
import { tarOf } from '../support/tar.ts';
import { type TestApp, testApp } from '../support/test-app.ts';

function put(app: TestApp, path: string, body: Buffer | string): Promise<Response> {
  return app.admin(`/bundles/${path}`, { method: 'PUT', body });
}

test('of racing uploads of one version with different bytes exactly one wins, and its bytes are served', async (t) => {
  const app = await testApp(t);
  const bodies = Array.from({ length: 6 }, (_, at) => makeBundle('myapp', '1', { flask: `3.${at}` }).bytes);
  const answers = await Promise.all(bodies.map((bytes) => put(app, 'myapp/1/myapp-1.tar.gz', bytes)));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409, 409, 409, 409]);
  const winner = bodies[answers.findIndex(({ status }) => status === 201)];
  const served = await app.get('/bundles/myapp/@latest/download');
  assert.deepEqual(Buffer.from(await served.arrayBuffer()), winner);
  const view = (await (await app.get('/bundles/myapp/1')).json()) as { contents: { version: string }[] };
  assert.equal(view.contents[0]?.version, `3.${bodies.indexOf(winner as Buffer)}`);
  assert.deepEqual(await spoolsOf(app), []);
});

test('an upload that breaks off leaves nothing, and the next one works', async (t) => {
  const app = await testApp(t);
  const { hostname, port } = new URL(app.url);
  const headers = { authorization: `Bearer ${app.token}`, 'content-length': '10000000' };
  const outgoing = request({ hostname, port, method: 'PUT', path: '/bundles/myapp/1/f.tar.gz', headers });
  const closed = new Promise((resolve) => outgoing.on('error', () => {}).once('close', resolve));
  outgoing.write(randomBytes(6_000_000));
  while ((await spoolsOf(app)).length === 0) await new Promise((resolve) => setImmediate(resolve));
  outgoing.destroy();
  await closed;
  while ((await spoolsOf(app)).length > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal((await app.get('/bundles/myapp')).status, 404);
  assert.equal((await put(app, 'myapp/1/f.tar.gz', makeBundle('myapp', '1').bytes)).status, 201);
});

test('a body over the limit is refused, announced or not, and nothing stays of it', async (t) => {
  const app = await testApp(t, { config: { limits: { minFreeBytes: '0B', uploadBytes: '100KB' } } });
  const large = randomBytes(200_000);
  assert.equal((await put(app, 'myapp/1/f', large)).status, 413);
  const chunked = new ReadableStream({
    start(controller) {
      controller.enqueue(large);
      controller.close();
    },
  });
  const init = { method: 'PUT', body: chunked, duplex: 'half' } as RequestInit;
  assert.equal((await app.admin('/bundles/myapp/1/f', init)).status, 413);
  assert.equal((await put(app, 'myapp/1/f', large.subarray(0, 90_000))).status, 201);
  assert.deepEqual(await spoolsOf(app), []);
});

test('where the configuration says so, an archive that cannot be read is refused; other files never are', async (t) => {
  const app = await testApp(t, { config: { bundles: { unreadable: 'refuse' } } });
  const evil = gzipSync(tarOf([{ name: '../../etc/passwd', data: 'x' }]));
  const refused = await put(app, 'myapp/1/myapp-1.tar.gz', evil);
  assert.equal(refused.status, 400);
  assert.match(((await refused.json()) as { detail: string }).detail, /leads out of the archive/);
  assert.equal((await app.get('/bundles/myapp')).status, 404);
  assert.equal((await put(app, 'myapp/1/myapp-1.deb', 'not looked into')).status, 201);
  assert.deepEqual(await spoolsOf(app), []);
});

test('a full disk is 507, changes nothing, and reads go on', async (t) => {
  const first = await testApp(t);
  const { bytes } = makeBundle('myapp', '1');
  assert.equal((await put(first, 'myapp/1/myapp-1.tar.gz', bytes)).status, 201);
  await first.stop();
  const app = await testApp(t, { dataDir: first.dataDir, config: { limits: { minFreeBytes: '1000TiB' } } });
  const other = makeBundle('myapp', '2').bytes;
  assert.equal((await put(app, 'myapp/2/myapp-2.tar.gz', other)).status, 507);
  const form = new FormData();
  form.set('version', '2');
  form.set('content', new Blob([other]), 'myapp-2.tar.gz');
  assert.equal((await app.admin('/bundles/myapp', { method: 'POST', body: form })).status, 507);
  assert.equal((await app.get('/bundles/myapp/2')).status, 404);
  assert.equal((await app.get('/bundles/myapp/@latest/download')).status, 200);
  assert.deepEqual(await spoolsOf(app), []);
});

test('whatever the names, headers and bodies are, the fault is never ours', async (t) => {
  const app = await testApp(t);
  const words = fc.oneof(
    fc.constantFrom(
      'myapp',
      '1',
      'channels',
      'production',
      '@latest',
      '@',
      'diff',
      'retention',
      'sbom',
      '..',
      '__proto__',
    ),
    fc.string({ unit: 'grapheme', maxLength: 12 }),
  );
  const attempts = fc.record({
    method: fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'HEAD'),
    path: fc.array(words, { maxLength: 5 }),
    query: fc.dictionary(
      fc.constantFrom('channel', 'commit', 'build-url', 'contains', 'sha256', 'from', 'to', 'limit', 'after'),
      words,
    ),
    body: fc.oneof(fc.json(), fc.string(), fc.constant('')),
    digest: fc.option(fc.string({ unit: 'grapheme-ascii', maxLength: 20 }), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(attempts, async ({ method, path, query, body, digest }) => {
      const address = ['/bundles', ...path.map(encodeURIComponent)].join('/');
      const response = await app.admin(`${address}?${new URLSearchParams(query)}`, {
        method,
        ...(method === 'GET' || method === 'HEAD' ? {} : { body }),
        headers: digest === undefined ? {} : { 'Repr-Digest': digest },
      });
      await response.body?.cancel();
      assert.ok(response.status < 500, `${method} ${address}: ${response.status}`);
    }),
    { numRuns: 300 },
  );
  assert.deepEqual(await spoolsOf(app), []);
});

test('a channel that was rolled back is not taken for unchanged because what it points to now is older', async (t) => {
  const app = await testApp(t);
  for (const version of ['1', '2'])
    await put(app, `myapp/${version}/myapp.tar.gz?channel=live`, makeBundle('myapp', version).bytes);
  await app.admin('/bundles/myapp/channels/live/rollback', { method: 'POST' });
  const headers = { 'if-modified-since': 'Wed, 21 Oct 2099 07:28:00 GMT' };
  const moved = await app.get('/bundles/myapp/@live/download', { headers });
  assert.equal(moved.status, 200);
  assert.equal(moved.headers.get('x-stormcellar-version'), '1');
  await moved.arrayBuffer();
  assert.equal((await app.get('/bundles/myapp/1/myapp.tar.gz', { headers })).status, 304);
});
