import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { clientPath, runClient, skipWithout } from '../support/clients.ts';
import { freePort } from '../support/free-port.ts';
import { finished, post } from '../support/mirroring.ts';
import { runCli } from '../support/run-cli.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { type BuiltFile, makeSdist, makeWheel } from '../support/wheel.ts';

const WHEEL = makeWheel({ name: 'acme-lib', version: '1.0' });
const SDIST = makeSdist({ name: 'acme-lib', version: '1.0' });
const BASE = makeWheel({ name: 'Base_Thing', version: '2.0' });
const PASSWORD = 'team-password';

interface Listed {
  readonly filename: string;
  readonly 'upload-time': string;
}

test('a real devpi moves in, from its address and from its export', {
  skip: skipWithout('devpi-server', 'twine'),
}, async (t) => {
  const dir = await tempDir(t);
  const before = Math.floor(Date.now() / 1000) * 1000;
  const devpi = await startDevpi(t, dir);
  await devpi.put('/team', { password: PASSWORD });
  await devpi.put('/team/base', { bases: [], type: 'stage' });
  await devpi.put('/team/dev', { bases: ['team/base'], type: 'stage' });
  await devpi.upload('team/dev', [WHEEL, SDIST]);
  await devpi.upload('team/base', [BASE]);

  const app = await testApp(t);
  const url = `${devpi.url}/team/dev/`;
  const credentials = { username: 'team', password: PASSWORD };
  const answer = await post(app, '/admin/import', { devpi: url, credentials });
  const job = await finished(app, answer.headers.get('location') ?? '');
  assert.equal(job.state, 'succeeded', JSON.stringify(job));
  assert.equal(job.counts.stored, 2, 'not what is of its base');
  const files = await listed(app, 'acme-lib');
  assert.deepEqual(files.map(({ filename }) => filename).sort(), [WHEEL.filename, SDIST.filename].sort());
  for (const { 'upload-time': time } of files) {
    assert.ok(Date.parse(time) >= before && Date.parse(time) <= Date.now(), time);
    assert.match(time, /:\d\d(?:\.000)?Z$/, 'the second that devpi tells');
  }
  assert.deepEqual(await listed(app, 'base-thing'), []);
  // Any index of devpi has a simple API too; with it come the projects of its bases.
  const simple = await post(app, '/admin/import', { simple: `${url}+simple/`, credentials, projects: ['base-thing'] });
  const both = await finished(app, simple.headers.get('location') ?? '');
  assert.equal(both.state, 'succeeded', JSON.stringify(both));

  await devpi.stop();
  const exported = join(dir, 'export');
  const written = await runClient('devpi-export', ['--serverdir', devpi.dir, exported], { cwd: dir });
  assert.equal(written.status, 0, written.output);
  const other = await testApp(t);
  const env = { STORMCELLAR_URL: other.url, STORMCELLAR_TOKEN: other.token };
  const some = await runCli(['import', '--devpi', exported, '--devpi-index', 'team/dev'], env);
  assert.equal(some.stdout, '2 files are stored, 0 were here already\n', some.stderr);
  const all = await runCli(['import', '--devpi', exported], env);
  assert.equal(all.stdout, '1 files are stored, 2 were here already\n', all.stderr);
  assert.deepEqual(
    (await listed(other, 'acme-lib')).map(({ 'upload-time': time }) => Date.parse(time)),
    files.map(({ 'upload-time': time }) => Date.parse(time)),
  );
});

async function listed(app: TestApp, project: string): Promise<readonly Listed[]> {
  const headers = { accept: 'application/vnd.pypi.simple.v1+json' };
  const answer = await app.get(`/simple/${project}/`, { headers });
  return answer.ok ? ((await answer.json()) as { files: Listed[] }).files : [];
}

interface Devpi {
  readonly url: string;
  readonly dir: string;
  /** Makes a user or an index. */
  put(path: string, body: unknown): Promise<void>;
  /** As twine does it. */
  upload(index: string, files: readonly BuiltFile[]): Promise<void>;
  stop(): Promise<void>;
}

/** A devpi server on loopback without any index of others; it ends with the test. */
async function startDevpi(t: { after(fn: () => Promise<void>): void }, dir: string): Promise<Devpi> {
  const serverDir = join(dir, 'devpi');
  const made = await runClient('devpi-init', ['--serverdir', serverDir, '--no-root-pypi'], { cwd: dir });
  assert.equal(made.status, 0, made.output);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = [
    '--serverdir',
    serverDir,
    '--host',
    '127.0.0.1',
    '--port',
    String(port),
    '--restrict-modify',
    'root,team',
  ];
  const child = spawn(clientPath('devpi-server'), args, {
    env: { PATH: '/usr/bin:/bin', HOME: dir, PYTHONUNBUFFERED: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = (): Promise<void> => ended(child);
  t.after(stop);
  await serving(child);
  let authorization = `Basic ${Buffer.from('root:').toString('base64')}`;
  return {
    url,
    dir: serverDir,
    put: async (path, body) => {
      const headers = { authorization, 'content-type': 'application/json' };
      const answer = await fetch(url + path, { method: 'PUT', headers, body: JSON.stringify(body) });
      assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.text()}`);
      authorization = `Basic ${Buffer.from(`team:${PASSWORD}`).toString('base64')}`;
    },
    upload: async (index, files) => {
      const folder = join(dir, index.replace('/', '-'));
      await mkdir(folder, { recursive: true });
      for (const file of files) await writeFile(join(folder, file.filename), file.bytes);
      const sent = await runClient(
        'twine',
        [
          'upload',
          '--non-interactive',
          '--repository-url',
          `${url}/${index}/`,
          '-u',
          'team',
          '-p',
          PASSWORD,
          `${folder}/*`,
        ],
        { cwd: dir },
      );
      assert.equal(sent.status, 0, sent.output);
    },
    stop,
  };
}

function serving(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        if (/Serving on http/.test(output)) resolve();
      });
    }
    child.once('error', reject);
    child.once('close', () => reject(new Error(`devpi-server did not start:\n${output}`)));
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  await closed;
}
