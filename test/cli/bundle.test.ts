import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeBundle } from '../support/bundle.ts';
import { runCli } from '../support/run-cli.ts';
import { slowBundle } from '../support/slow-bundle.ts';
import { tempDir } from '../support/temp-dir.ts';
import { testApp } from '../support/test-app.ts';

const NOISE = randomBytes(100_000);

async function prepared(t: TestContext) {
  const app = await testApp(t);
  const dir = await tempDir(t);
  const env = { STORMCELLAR_URL: app.url, STORMCELLAR_TOKEN: app.token };
  const bundle = (...args: readonly string[]) => runCli(['bundle', ...args], env);
  const file = async (version: string, vendored: Record<string, string> = {}, name?: string) => {
    const made = makeBundle('my-app', version, vendored, { 'noise.bin': NOISE });
    const path = join(dir, name ?? made.filename);
    await writeFile(path, made.bytes);
    return { path, bytes: made.bytes };
  };
  return { app, dir, env, bundle, file };
}

test('push, list, show, promote, roll back and ask, from the command line', async (t) => {
  const { bundle, file, dir } = await prepared(t);
  const one = await file('0.1', { flask: '3.0' });
  const two = await file('0.2', { flask: '3.1' }, 'bundle.tar.gz');
  const lock = join(dir, 'requirements.txt');
  await writeFile(lock, 'flask==3.1\n');

  const pushed = await bundle('push', one.path, '--channel', 'staging', '--commit', 'abc');
  assert.equal(pushed.status, 0, pushed.stderr);
  assert.match(
    pushed.stdout,
    /^my-app 0\.1 is stored, staging points to it: sha256 [0-9a-f]{64}, 1 distributions inside\n$/,
  );
  assert.match(pushed.stderr, /^push my-app-0\.1\.tar\.gz as my-app 0\.1 \(/);
  assert.match((await bundle('push', one.path)).stdout, /was stored already/);
  // Nothing in this file's name: the PKG-INFO inside tells.
  const locked = await bundle('push', two.path, '--lock', lock, '--version', '0.2');
  assert.equal(locked.status, 0, locked.stderr);
  assert.equal(JSON.parse((await bundle('show', 'my-app==0.2', '--json')).stdout).lock.notInLock.length, 0);

  assert.match((await bundle('list')).stdout, /^APP +LATEST +CHANNELS\nmy-app +0\.2 +staging=0\.1\n$/);
  assert.match((await bundle('list', 'my-app')).stdout, /\n0\.2 .*\n0\.1 +staging .* abc\n$/);
  assert.match((await bundle('show', 'my-app@staging')).stdout, /commit +abc\n.*\n {2}flask==3\.0\n$/s);
  const promoted = await bundle('promote', 'my-app', '@staging', 'production', '--expected', 'none', '--why', 'first');
  assert.equal(promoted.stdout, 'my-app@production points to 0.1\n');
  assert.equal((await bundle('promote', 'my-app', '0.2', 'production')).status, 0);
  const moved = await bundle('promote', 'my-app', '0.2', 'production', '--expected', '0.1');
  assert.deepEqual([moved.status, moved.stdout], [1, '']);
  assert.match(moved.stderr, /^The channel has moved: /);
  const back = await bundle('rollback', 'my-app', 'production', '--why', 'sick');
  assert.equal(back.stdout, 'my-app@production points to 0.1 again, before to 0.2\n');
  assert.match(
    (await bundle('history', 'my-app', 'production')).stdout,
    / 0\.1 +0\.2 +promote, undone .*\n.* rollback .* sick\n$/s,
  );
  assert.equal((await bundle('diff', 'my-app', '@production', '0.2')).stdout, '  flask 3.0 -> 3.1\n');
  assert.match((await bundle('which', 'Flask==3.0')).stdout, /\nmy-app +0\.1 +production,staging +3\.0\n$/);
  assert.equal((await bundle('which', 'flask==9')).status, 1);
  assert.equal((await bundle('rm', 'my-app', '0.1')).status, 1);
  assert.equal((await bundle('rm', 'my-app', '0.2')).stdout, 'my-app 0.2 is deleted\n');
  assert.equal((await bundle('rm', 'my-app', '@staging')).stdout, 'my-app@staging is removed\n');
});

test('a fetched file appears only when it is right, and a broken download is gone on with', async (t) => {
  const { bundle, file, dir } = await prepared(t);
  const { path, bytes } = await file('0.1');
  assert.equal((await bundle('push', path)).status, 0);
  const out = join(dir, 'out');
  await mkdir(out);
  const target = join(out, 'my-app-0.1.tar.gz');
  const fetched = await bundle('fetch', 'my-app@latest', '-o', out);
  assert.equal(fetched.stdout, `${target}\n`);
  assert.deepEqual(await readFile(target), bytes);
  assert.match((await bundle('fetch', 'my-app', '-o', out)).stderr, /was here already/);
  // A version behind an @, as long as no channel has its name; folders that are not there yet are made.
  assert.match((await bundle('show', 'my-app@0.1')).stdout, /\nversion +0\.1\n/);
  const made = join(dir, 'made', 'here');
  assert.equal((await bundle('fetch', 'my-app@0.1', '-o', `${made}/`)).stdout, `${join(made, 'my-app-0.1.tar.gz')}\n`);
  assert.match(
    (await bundle('fetch', 'my-app@0.9', '-o', out)).stderr,
    /^Channel not found: my-app has no channel 0\.9/,
  );

  const resumed = join(out, 'resumed');
  const part = `${resumed}.${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}.part`;
  await writeFile(part, bytes.subarray(0, 1000));
  await writeFile(`${resumed}.0123456789ab.part`, 'of another version');
  assert.equal((await bundle('fetch', 'my-app==0.1', '-o', resumed)).status, 0);
  assert.deepEqual(await readFile(resumed), bytes);
  // What is there belongs to something else: the digest tells, and it begins anew.
  await writeFile(part, Buffer.alloc(1000));
  await writeFile(resumed, 'an older version');
  assert.equal((await bundle('fetch', 'my-app==0.1', '-o', resumed)).status, 0);
  assert.deepEqual(await readFile(resumed), bytes);
  assert.deepEqual((await readdir(out)).sort(), ['my-app-0.1.tar.gz', 'resumed']);
});

test('a download that the disk has no room for is not taken for whole', async (t) => {
  const { env, bundle, dir } = await prepared(t);
  const path = join(dir, 'small-1.0.bin');
  const bytes = NOISE.subarray(0, 700);
  await writeFile(path, bytes);
  assert.equal((await bundle('push', path)).status, 0);
  const target = join(dir, 'fetched');
  const full = await runCli(['bundle', 'fetch', 'small==1.0', '-o', target], env, { fileBlocks: 1 });
  assert.equal(full.status, 1, full.stdout);
  assert.match(
    full.stderr,
    /^fetch .*\n.*fetched\.[0-9a-f]{12}\.part cannot be written \(EFBIG: .*\); what has arrived is kept to go on with\.\n$/,
  );
  assert.ok(!(await readdir(dir)).includes('fetched'));
  assert.equal((await bundle('fetch', 'small==1.0', '-o', target)).status, 0);
  assert.deepEqual(await readFile(target), bytes);
});

test('wrong usage is told apart from failure', async (t) => {
  const { bundle, dir, file } = await prepared(t);
  const nameless = join(dir, 'nameless.bin');
  await writeFile(nameless, 'x');
  const cases: [readonly string[], number][] = [
    [['push'], 2],
    [['push', join(dir, 'missing-1.tar.gz')], 2],
    [['push', nameless], 2],
    [['fetch', 'a b'], 2],
    [['fetch', 'nothing'], 1],
    [['promote', 'my-app', '9', 'production'], 1],
    [['push', (await file('0.1')).path, '--channel', 'Not a channel'], 1],
  ];
  for (const [args, status] of cases) {
    const outcome = await bundle(...args);
    assert.equal(outcome.status, status, `${args.join(' ')}: ${outcome.stderr}`);
    assert.notEqual(outcome.stderr, '');
  }
});

test('push says when what is inside is not known yet', async (t) => {
  const app = await testApp(t, { config: { bundles: { contentsWait: '0s' } } });
  const path = join(await tempDir(t), 'my-app-0.1.tar.gz');
  await writeFile(path, slowBundle('flask', '3.0'));
  const env = { STORMCELLAR_URL: app.url, STORMCELLAR_TOKEN: app.token };
  const pushed = await runCli(['bundle', 'push', path], env);
  assert.equal(pushed.status, 0, pushed.stderr);
  assert.match(pushed.stdout, /, what is inside is being read, and "bundle show my-app==0\.1" will tell\n$/);
  assert.match((await runCli(['bundle', 'show', 'my-app==0.1'], env)).stdout, /flask==3\.0\n$/);
});
