import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts';
import { multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { spoolsOf } from '../support/spools.ts';
import { type TestServer, testServer } from '../support/test-server.ts';
import { type BuiltFile, makeWheel } from '../support/wheel.ts';

type Context = Parameters<typeof fakeUpstream>[0];

const json = { headers: { accept: 'application/vnd.pypi.simple.v1+json' } };
const big = makeWheel({ name: 'big', version: '1.0', padding: 3_000_000 });

async function stage(
  t: Context,
  config: Record<string, unknown> = {},
): Promise<{ up: FakeUpstream; server: TestServer }> {
  const up = await fakeUpstream(t, { files: 'other' });
  up.project('big').add(big);
  return { up, server: await testServer(t, { upstream: up.url, config }) };
}

async function upload(server: TestServer, file: BuiltFile): Promise<number> {
  const body = multipart(partsOf(file));
  const headers = { ...multipartHeaders(body), authorization: `Bearer ${server.token}` };
  const answer = await server.get('/legacy/', { method: 'POST', headers, body });
  await answer.text();
  return answer.status;
}

async function bytesOf(server: TestServer, path: string): Promise<Buffer | number> {
  const answer = await server.get(path);
  return answer.status === 200 ? Buffer.from(await answer.arrayBuffer()) : answer.status;
}

test('told to stop, it takes nothing new, finishes what is under way, and exits with 0', async (t) => {
  const { up, server } = await stage(t, { limits: { minFreeBytes: '0B', stopGrace: '20s' } });
  const until = Promise.withResolvers<void>();
  up.order(`/files/${big.filename}`, { holdAfter: { bytes: 1_000_000, until: until.promise } });
  const answer = await server.get(`/simple/big/${big.filename}`);
  const body = answer.arrayBuffer();
  const stopped = server.stop();
  let refused = false;
  while (!refused)
    refused = await server.get('/livez', { headers: { connection: 'close' } }).then(
      () => false,
      () => true,
    );
  until.resolve();
  assert.ok(Buffer.from(await body).equals(big.bytes));
  assert.equal(await stopped, 0);
  await server.start();
  await up.refuse();
  assert.deepEqual(await bytesOf(server, `/simple/big/${big.filename}`), big.bytes, 'and it was stored');
});

test('told to stop, it does not wait for ever', async (t) => {
  const { up, server } = await stage(t, { limits: { minFreeBytes: '0B', stopGrace: '300ms' } });
  up.order(`/files/${big.filename}`, { holdAfter: { bytes: 1_000_000, until: new Promise(() => undefined) } });
  const body = (await server.get(`/simple/big/${big.filename}`)).arrayBuffer();
  const cut = assert.rejects(body);
  assert.equal(await server.stop(), 0);
  await cut;
});

test('killed at any instant, it has what it acknowledged and nothing half', async (t) => {
  const { up, server } = await stage(t);
  const files = Array.from({ length: 12 }, (_, i) => makeWheel({ name: 'mine', version: `${i}.0`, padding: 30_000 }));
  const acknowledged = new Set<BuiltFile>();
  const uploads = files.map(async (file, i) => {
    const status = await upload(server, file).catch(() => 0);
    if (status === 200) acknowledged.add(file);
    if (acknowledged.size >= 3 && i >= 3) await server.stop('SIGKILL');
  });
  const pulled = await bytesOf(server, `/simple/big/${big.filename}`).catch(() => undefined);
  await Promise.all(uploads);
  await server.stop('SIGKILL');
  await server.start();
  await up.refuse();
  assert.deepEqual(await spoolsOf(server), [], 'leftovers are swept');
  const page = (await (await server.get('/simple/mine/', json)).json()) as { files: { filename: string }[] };
  const listed = new Set(page.files.map(({ filename }) => filename));
  for (const file of files) {
    const found = await bytesOf(server, `/simple/mine/${file.filename}`);
    if (acknowledged.has(file)) assert.ok(listed.has(file.filename), 'what was acknowledged is listed');
    if (listed.has(file.filename)) assert.deepEqual(found, file.bytes, 'what is listed is whole');
    else assert.equal(found, 404);
  }
  assert.ok(acknowledged.size >= 3);
  if (Buffer.isBuffer(pulled)) assert.deepEqual(await bytesOf(server, `/simple/big/${big.filename}`), big.bytes);
  for (const file of files) assert.equal(await upload(server, file), 200, 'and again, after the fact');
});

test('with a full disk, what is stored is served, the rest passed on, and uploads are refused', async (t) => {
  const { up, server } = await stage(t, { limits: { minFreeBytes: '1GiB', stopGrace: '2s' } });
  const stored = makeWheel({ name: 'kept', version: '1.0' });
  assert.equal(await upload(server, stored), 200);
  assert.equal(await server.stop(), 0);
  const full = await testServer(t, {
    upstream: up.url,
    dataDir: server.dataDir,
    config: { limits: { minFreeBytes: '8000TiB', stopGrace: '2s' } },
  });
  for (const _ of ['first', 'second']) {
    assert.deepEqual(await bytesOf(full, `/simple/big/${big.filename}`), big.bytes);
    assert.equal((await full.get(`/offline/simple/big/${big.filename}`)).status, 404, 'not kept');
  }
  const part = await full.get(`/simple/big/${big.filename}`, { headers: { range: 'bytes=-100' } });
  assert.equal(part.status, 206);
  assert.deepEqual(Buffer.from(await part.arrayBuffer()), big.bytes.subarray(-100));
  assert.equal((await full.get('/simple/big/', json)).status, 200);
  assert.equal((await full.get(`/simple/big/${big.filename}.metadata`)).status, 200);
  assert.deepEqual(await bytesOf(full, `/simple/kept/${stored.filename}`), stored.bytes);
  assert.equal(await upload(full, makeWheel({ name: 'kept', version: '2.0' })), 507);
  assert.equal((await full.get('/simple/kept/', json)).status, 200);
  assert.match(await (await full.get('/metrics')).text(), /^stormcellar_\w*not_stored\w* [1-9]/m);
  const ready = await full.get('/readyz');
  const { warnings } = (await ready.json()) as { warnings?: readonly string[] };
  const told = ['there is no room: uploads are refused, and nothing that comes from upstreams is kept'];
  assert.deepEqual([ready.status, warnings], [200, told]);
  assert.equal(await full.stop(), 0);
  assert.match(full.output, /passed on without being kept/);
});

test('"auto" is the index that pip here uses; without one it starts all the same and says what to set', async (t) => {
  const { up } = await stage(t);
  const found = await testServer(t, { upstream: 'auto', env: { PIP_INDEX_URL: up.url } });
  assert.deepEqual(await bytesOf(found, `/simple/big/${big.filename}`), big.bytes);
  const none = await testServer(t, { upstream: 'auto', env: { PATH: '/nonexistent', HOME: '/nonexistent' } });
  assert.equal(await upload(none, makeWheel({ name: 'mine', version: '1.0' })), 200);
  assert.equal((await none.get('/simple/mine/')).status, 200);
  const unknown = await none.get('/simple/unknown/');
  assert.ok([502, 503].includes(unknown.status), `unknown: ${unknown.status}`);
  assert.ok(Number(unknown.headers.get('retry-after')) >= 1);
  const ready = await none.get('/readyz');
  assert.equal(ready.status, 200);
  const { warnings } = (await ready.json()) as { warnings: string[] };
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /No index was found .* set "url"/);
  assert.ok((await (await none.get('/')).text()).includes('No index was found'), 'on the front page');
  await none.stop();
  assert.match(none.output, /No index was found/);
});

test('many slow readers of large files cost little memory', async (t) => {
  const files = ['1.0', '2.0'].map((version) => makeWheel({ name: 'large', version, padding: 40_000_000 }));
  const up = await fakeUpstream(t, { files: 'other' });
  for (const file of files) up.project('large').add(file);
  const server = await testServer(t, { upstream: up.url });
  const { now: before } = await server.memory();
  const readers = Array.from({ length: 24 }, async (_, i) => {
    const file = files[i % 2];
    assert.ok(file);
    const answer = await server.get(`/simple/large/${file.filename}`);
    let length = 0;
    for await (const chunk of answer.body ?? []) {
      length += chunk.length;
      if (i % 3 === 0) await new Promise(setImmediate);
    }
    assert.equal(length, file.bytes.length);
  });
  await Promise.all(readers);
  for (const file of files) assert.equal(up.requests(`/files/${file.filename}`), 1);
  const grown = ((await server.memory()).peak - before) / 2 ** 20;
  assert.ok(grown < 150, `${Math.round(grown)} MiB more than before`);
});

test('a second one on the same folder is told so, and does the first no harm', async (t) => {
  const { up, server } = await stage(t);
  const until = Promise.withResolvers<void>();
  up.order(`/files/${big.filename}`, { holdAfter: { bytes: 1_000_000, until: until.promise } });
  const answer = await server.get(`/simple/big/${big.filename}`);
  await assert.rejects(testServer(t, { upstream: up.url, dataDir: server.dataDir }), (error: Error) => {
    assert.match(error.message, /Stormcellar cannot serve: Another Stormcellar that runs uses the folder \S+/);
    return true;
  });
  until.resolve();
  assert.ok(Buffer.from(await answer.arrayBuffer()).equals(big.bytes));
  assert.equal((await server.get(`/offline/simple/big/${big.filename}`)).status, 200);
  await server.stop('SIGKILL');
  await (await testServer(t, { upstream: up.url, dataDir: server.dataDir })).get('/livez');
});
