import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { runCli } from '../support/run-cli.ts';
import { tempDir } from '../support/temp-dir.ts';
import { testApp } from '../support/test-app.ts';
import { makeWheel } from '../support/wheel.ts';

const A = makeWheel({ name: 'alpha', version: '1.0' });
const B = makeWheel({ name: 'beta', version: '2.0' });

async function prepared(t: TestContext) {
  const up = await fakeUpstream(t);
  up.project('alpha').add(A);
  up.project('beta').add(B);
  const app = await testApp(t, { upstream: up.url });
  const dir = await tempDir(t);
  const cli = (...args: readonly string[]) => runCli(args, { STORMCELLAR_URL: app.url, STORMCELLAR_TOKEN: app.token });
  return { up, app, dir, cli };
}

test('mirror, drill, list and drop a lock whose parts lie beside it', async (t) => {
  const { up, dir, cli } = await prepared(t);
  await mkdir(join(dir, 'sub'));
  const lock = join(dir, 'requirements.txt');
  await writeFile(lock, '# top\n-r sub/base.txt\nalpha==1.0\n');
  await writeFile(join(dir, 'sub', 'base.txt'), '-c limits.txt\nbeta\n');
  await writeFile(join(dir, 'sub', 'limits.txt'), 'beta==2.0\n');

  const before = await cli('drill', '-r', lock);
  assert.equal(before.status, 1);
  assert.match(before.stdout, /^NAME +VERSION +FILE +WHY\n/);
  assert.match(before.stdout, /alpha +1\.0 +pypi was never asked/);
  assert.equal(before.stderr, 'not ready: 2 missing\n');

  const output = join(dir, 'out', 'requirements.txt');
  const mirrored = await cli('mirror', '-r', lock, '-o', output, '--keep', 'shop');
  assert.equal(mirrored.status, 0, mirrored.stderr);
  assert.match(mirrored.stdout, /^requirements\.txt is outage-proof: 2 entries, 2 files stored, 0 here already \(/);
  assert.match(mirrored.stderr, /^job \S+\n(stored .*\n){2}.*is written\n$/);
  // A hash would make pip want one of beta as well, whose version only the constraint tells.
  assert.equal(await readFile(output, 'utf8'), await readFile(lock, 'utf8'));
  assert.match(await readFile(join(dir, 'out', 'sub', 'base.txt'), 'utf8'), /^-c limits\.txt\nbeta/);

  await up.refuse();
  const after = await cli('drill', '-r', output, '--json');
  assert.equal(after.status, 0, after.stderr);
  assert.equal(JSON.parse(after.stdout).ready, true);
  assert.match((await cli('locks')).stdout, /^NAME +READY.*\nshop +yes /);
  assert.match((await cli('locks', 'show', 'shop')).stdout, /^shop: ready since /);
  assert.equal((await cli('locks', 'get', 'shop')).stdout, await readFile(lock, 'utf8'));
  const whole = JSON.parse((await cli('locks', 'get', 'shop', '--json')).stdout) as { parts: object };
  assert.deepEqual(Object.keys(whole.parts).sort(), ['sub/base.txt', 'sub/limits.txt']);
  assert.match((await cli('jobs')).stdout, /mirror-lock +succeeded/);
  const dropped = await cli('locks', 'drop', 'shop', '--json');
  assert.deepEqual(JSON.parse(dropped.stdout), { dropped: ['shop'] });
  assert.equal((await cli('locks', '--json')).stdout, '[]\n');
});

test('what cannot be had is named, with exit code 1; wrong use has 2', async (t) => {
  const { app, dir, cli } = await prepared(t);
  const lock = join(dir, 'requirements.txt');
  await writeFile(lock, 'alpha==1.0\nbeta==9\n');
  const failed = await cli('mirror', '-r', lock, '-o', join(dir, 'new.txt'));
  assert.equal(failed.status, 1);
  assert.match(failed.stderr, /failed: beta 9 could not be had: the index lists no file of version 9/);
  const id = /^job (\S+)/.exec(failed.stderr)?.[1] ?? '';
  assert.match((await cli('jobs', 'show', id)).stdout, /failed +beta 9: the index lists no file of version 9/);
  // Options behind a subcommand are the subcommand's.
  const asked = ['jobs', 'show', id, '--json', '--server', app.url, '--token', app.token];
  assert.equal((JSON.parse((await runCli(asked)).stdout) as { id: string }).id, id);
  // And those before it count for it, wherever they stand.
  for (const before of [
    ['--server', app.url, '--token', app.token, 'jobs', 'show'],
    ['jobs', '--server', app.url, '--token', app.token, 'show'],
  ]) {
    assert.equal((JSON.parse((await runCli([...before, id, '--json'])).stdout) as { id: string }).id, id);
  }
  const listed = JSON.parse((await cli('jobs', '--json', 'list', '--state', 'failed')).stdout) as { id: string }[];
  assert.deepEqual(
    listed.map((job) => job.id),
    [id],
  );
  assert.match((await cli('locks', 'list')).stdout, /^NAME +READY/);
  for (const wrong of [
    ['jobs', '--state', 'failed', 'show', id],
    ['--server', app.url, 'config', 'check'],
  ]) {
    const { status, stderr } = await cli(...wrong);
    assert.deepEqual([status, /error: option '--\S+' is not for '/.test(stderr)], [2, true], stderr);
  }
  // The address of the index will do as well.
  const index = await runCli(['jobs', '--server', `${app.url}/simple/`, '--token', app.token]);
  assert.match(index.stdout, /^ID +KIND/);
  const over = JSON.parse((await cli('jobs', 'cancel', id, '--json')).stdout) as { id: string; state: string }[];
  assert.deepEqual([over[0]?.id, over[0]?.state], [id, 'failed']);
  assert.equal((await cli('mirror', '-r', join(dir, 'none.txt'))).status, 2);
  assert.equal((await cli('mirror', '-r', lock, '--watch', 'https://a.example/')).status, 2);
  const bad = join(dir, 'uv.lock');
  await writeFile(bad, 'version = ');
  const refused = await cli('mirror', '-r', bad);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /line 1/);
});

test('--json tells what came of everything, however much it is', async (t) => {
  const { dir, cli } = await prepared(t);
  const lock = join(dir, 'requirements.txt');
  await writeFile(lock, Array.from({ length: 1_001 }, (_, i) => `alpha==2.${i}\n`).join(''));
  const { status, stdout } = await cli('mirror', '-r', lock, '--json');
  const job = JSON.parse(stdout) as { state: string; files: object[]; next?: unknown };
  assert.deepEqual([status, job.state, job.files.length, job.next], [1, 'failed', 1_001, undefined]);
});

// A Python as far as a drill needs one: what is to be installed it only tells where from, and fails.
const PYTHON = `#!/bin/sh
if [ "$2" = venv ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; exit; fi
echo "index $PIP_INDEX_URL"
exit 1
`;

test('a drill installs from the server that the options mean, however they name it', async (t) => {
  const up = await fakeUpstream(t);
  const app = await testApp(t, { upstream: up.url, config: { access: { anonymous: ['read', 'admin'] } } });
  up.project('alpha').add(A);
  await fetch(`${app.url}/simple/alpha/${A.filename}`);
  await fetch(`${app.url}/simple/alpha/${A.filename}.metadata`);
  const dir = await tempDir(t);
  const [lock, python] = [join(dir, 'requirements.txt'), join(dir, 'python')];
  await writeFile(lock, 'alpha==1.0\n');
  await writeFile(python, PYTHON, { mode: 0o755 });
  const drill = ['drill', '-r', lock, '--run', 'pip', '--python', python];
  // The address of an index, and a secret that CI does not have.
  const env = { STORMCELLAR_URL: `${app.url}/simple/`, STORMCELLAR_TOKEN: '' };
  assert.match((await runCli(drill, env)).stderr, new RegExp(`^index ${app.url}/simple/$`, 'm'));
});
