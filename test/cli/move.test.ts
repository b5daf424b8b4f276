import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { lockFile } from '../../server/catalog/lock-file.ts';
import { makeBundle } from '../support/bundle.ts';
import { startS3 } from '../support/engines.ts';
import { multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { runCli } from '../support/run-cli.ts';
import { newBucket } from '../support/s3-bucket.ts';
import { startS3Proxy } from '../support/s3-proxy.ts';
import { tempDir } from '../support/temp-dir.ts';
import { testSettings } from '../support/test-config.ts';
import { startTestPostgres } from '../support/test-postgres.ts';
import { type TestServer, testServer } from '../support/test-server.ts';
import { type BuiltFile, makeWheel } from '../support/wheel.ts';

const [postgres, s3] = await Promise.all([startTestPostgres(), startS3('versitygw')]);
after(async () => {
  await postgres.stop();
  if (s3.skip === undefined) await s3.stop();
});
const skip = postgres.skip || s3.skip || false;
const program = fileURLToPath(new URL('../../bin/stormcellar.mjs', import.meta.url));

describe('stormcellar move', () => {
  it('takes a served cellar to other engines and back, killed in the middle and asked again', { skip }, async (t) => {
    if (s3.skip !== undefined) return;
    const proxy = await startS3Proxy(s3);
    t.after(() => proxy.stop());
    const wheels = Array.from({ length: 12 }, (_, index) => makeWheel({ name: `acme-${index}`, version: '1.0' }));
    const bundle = makeBundle('shop', '1.0', {});
    const old = await testServer(t);
    for (const wheel of wheels.slice(0, 10)) assert.equal((await upload(old, wheel)).status, 200);
    const query = '?channel=production';
    const put = { method: 'PUT', body: bundle.bytes };
    assert.equal((await admin(old, `/bundles/shop/1.0/${bundle.filename}${query}`, put)).status, 201);

    const dir = await tempDir(t);
    const engines = {
      catalog: { kind: 'postgres', url: await postgres.database() },
      storage: { ...(await newBucket(s3, proxy.endpoint)), secretAccessKey: { $env: 'STORMCELLAR_TEST_SECRET' } },
    };
    const to = join(dir, 'to.json');
    await writeFile(to, JSON.stringify(testSettings(join(dir, 'node'), { config: engines })));
    const env = { STORMCELLAR_TEST_SECRET: s3.secretAccessKey };
    const order = ['move', '--config', old.configFile, '--to', to];

    // kill -9 when the fifth blob is on its way.
    const killed = spawnMove(order, env);
    let puts = 0;
    proxy.order({
      fault: { kind: 'late' },
      when: ({ method }) => {
        if (method === 'PUT') puts += 1;
        if (puts === 5) killed.kill('SIGKILL');
        return false;
      },
    });
    await once(killed, 'close');
    assert.equal(killed.signalCode, 'SIGKILL');
    proxy.heal();
    const early = await runCli(['serve', '--config', to], env);
    assert.equal(early.status, 1);
    assert.match(early.stderr, /a copy that is not whole yet/);

    // The old one goes on meanwhile.
    const [late, refused] = wheels.slice(10);
    assert.ok(late && refused);
    assert.equal((await upload(old, late)).status, 200);
    const moved = await runCli(order, env);
    assert.equal(moved.status, 0, moved.stderr);
    assert.match(moved.stdout, /^file\s+11$/m);
    assert.match(
      moved.stdout,
      /^Moved; every row compared, every blob checked\. Writes were refused for \d+\.\d s so far/m,
    );
    assert.match(moved.stdout, /"stormcellar read-only off" would take it back\.$/m);
    const answer = await upload(old, refused);
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '30']);
    assert.equal((await old.get(`/simple/acme-3/${wheels[3]?.filename}`)).status, 200);
    const again = await runCli(order, env);
    assert.deepEqual([again.status, again.stderr], [0, '']);
    assert.match(again.stdout, /^It was moved on .* already\. Start the servers with /);

    const next = await testServer(t, { config: engines, env });
    await old.stop();
    await holds(next, [...wheels.slice(0, 10), late], bundle.bytes);
    assert.equal((await upload(next, refused)).status, 200);

    const back = join(dir, 'back.json');
    await writeFile(back, JSON.stringify(testSettings(join(dir, 'home'), {})));
    const home = await runCli(['move', '--config', next.configFile, '--to', back, '--json'], env);
    assert.equal(home.status, 0, home.stderr);
    assert.equal((JSON.parse(home.stdout) as { kind: string }).kind, 'moved');
    await next.stop();
    const last = await testServer(t, { config: { dataDir: join(dir, 'home') } });
    await holds(last, wheels, bundle.bytes);
  });

  it('takes the bytes alone to S3, when the catalog stays', { skip }, async (t) => {
    if (s3.skip !== undefined) return;
    const old = await testServer(t);
    const wheel = makeWheel({ name: 'acme', version: '1.0' });
    assert.equal((await upload(old, wheel)).status, 200);
    const storage = await newBucket(s3);
    const to = join(await tempDir(t), 'to.json');
    await writeFile(to, JSON.stringify(testSettings(old.dataDir, { config: { storage } })));
    const moved = await runCli(['move', '--config', old.configFile, '--to', to]);
    assert.equal(moved.status, 0, moved.stderr);
    assert.match(moved.stdout, /^blob\s+2$/m);
    assert.match(moved.stdout, /"stormcellar read-only off" then takes writes again\.$/m);
    await old.stop();
    const next = await testServer(t, { config: { storage, dataDir: old.dataDir } });
    const file = await next.get(`/simple/acme/${wheel.filename}`);
    assert.deepEqual(Buffer.from(await file.arrayBuffer()), wheel.bytes);
    const env = { STORMCELLAR_URL: next.url, STORMCELLAR_TOKEN: next.token };
    assert.equal((await runCli(['read-only', 'off'], env)).status, 0);
    assert.equal((await upload(next, makeWheel({ name: 'acme', version: '2.0' }))).status, 200);
    const same = await runCli(['move', '--config', old.configFile, '--to', old.configFile]);
    assert.deepEqual([same.status, same.stderr], [1, 'Both configurations name the same cellar.\n']);
  });

  it('is done by one at a time', async (t) => {
    const old = await testServer(t);
    const dir = await tempDir(t);
    const to = join(dir, 'to.json');
    await writeFile(to, JSON.stringify(testSettings(join(dir, 'home'), {})));
    const order = ['move', '--config', old.configFile, '--to', to];
    await mkdir(join(dir, 'home', 'moving'), { recursive: true });
    const letGo = lockFile(join(dir, 'home', 'moving', 'in-use'));
    const second = await runCli(order);
    assert.deepEqual(
      [second.status, second.stderr],
      [1, 'Another "stormcellar move" to this configuration is at work.\n'],
    );
    letGo?.();
    const alone = await runCli(order);
    assert.equal(alone.status, 0, alone.stderr);
  });

  it('tells who calls it wrongly what is wrong', async (t) => {
    const dir = await tempDir(t);
    const [empty, bad] = [join(dir, 'empty.json'), join(dir, 'bad.json')];
    await writeFile(empty, JSON.stringify({ dataDir: join(dir, 'nowhere') }));
    await writeFile(bad, JSON.stringify({ storage: { kind: 'tape' } }));
    const cases: [string[], number, RegExp][] = [
      [['move'], 2, /--to/],
      [['move', '--to', bad, '--config', empty], 2, /storage/],
      [['move', '--to', empty, '--config', empty], 1, /^There is no cellar in .*nowhere\.\n$/],
    ];
    for (const [args, status, complaint] of cases) {
      const outcome = await runCli(args);
      assert.equal(outcome.status, status, outcome.stderr);
      assert.match(outcome.stderr, complaint);
    }
  });
});

function spawnMove(args: readonly string[], env: Readonly<Record<string, string>>): ChildProcess {
  const { PATH = '', NODE_OPTIONS = '' } = process.env;
  const own = { PATH, NODE_OPTIONS, STORMCELLAR_TEST_SOURCES: '1', ...env };
  return spawn(process.execPath, [program, ...args], { env: own, stdio: 'ignore' });
}

function admin(server: TestServer, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set('authorization', `Bearer ${server.token}`);
  return server.get(path, { ...init, headers });
}

function upload(server: TestServer, file: BuiltFile): Promise<Response> {
  const body = multipart(partsOf(file));
  return admin(server, '/legacy/', { method: 'POST', headers: multipartHeaders(body), body });
}

async function holds(server: TestServer, wheels: readonly BuiltFile[], bundle: Buffer): Promise<void> {
  for (const { name, filename, bytes, metadata } of wheels) {
    const answers = await Promise.all(
      ['', '.metadata'].map((suffix) => server.get(`/simple/${name}/${filename}${suffix}`)),
    );
    const bodies = await Promise.all(answers.map(async (answer) => Buffer.from(await answer.arrayBuffer())));
    assert.deepEqual(bodies, [bytes, metadata], filename);
  }
  const download = await server.get('/bundles/shop/@production/download');
  assert.deepEqual(Buffer.from(await download.arrayBuffer()), bundle);
}
