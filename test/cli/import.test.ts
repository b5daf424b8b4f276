import assert from 'node:assert/strict';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { runCli } from '../support/run-cli.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { makeSdist, makeWheel } from '../support/wheel.ts';

const one = makeWheel({ name: 'acme-lib', version: '1.0' });
const two = makeSdist({ name: 'acme-lib', version: '1.0' });
const three = makeWheel({ name: 'other', version: '2.0' });
const TIME = '2024-03-04T05:06:07.000Z';

interface Listed {
  readonly filename: string;
  readonly 'upload-time': string;
}

async function prepared(t: TestContext) {
  const app = await testApp(t);
  const cli = (...args: readonly string[]) =>
    runCli(['import', ...args], { STORMCELLAR_URL: app.url, STORMCELLAR_TOKEN: app.token });
  return { app, cli, dir: await tempDir(t) };
}

async function listed(app: TestApp, project: string): Promise<readonly Listed[]> {
  const headers = { accept: 'application/vnd.pypi.simple.v1+json' };
  const answer = await app.get(`/simple/${project}/`, { headers });
  return answer.ok ? ((await answer.json()) as { files: Listed[] }).files : [];
}

test('a folder moves in with its times, and the second time nothing is sent', async (t) => {
  const { app, cli, dir } = await prepared(t);
  await mkdir(join(dir, 'deep'));
  await writeFile(join(dir, one.filename), one.bytes);
  await utimes(join(dir, one.filename), new Date(TIME), new Date(TIME));
  await writeFile(join(dir, 'deep', two.filename), two.bytes);
  await writeFile(join(dir, 'notes.txt'), 'x');
  await writeFile(join(dir, 'broken-1.0-py3-none-any.whl'), 'x');
  const first = await cli(dir);
  assert.equal(first.status, 1);
  assert.match(first.stderr, /failed {3}broken-1\.0-py3-none-any\.whl: /);
  assert.match(first.stderr, /left out: notes\.txt\nfailed: broken-1\.0-py3-none-any\.whl could not move in: .+\n$/);
  assert.equal(first.stdout, '2 files are stored, 0 were here already\n');
  const files = await listed(app, 'acme-lib');
  assert.equal(files.find(({ filename }) => filename === one.filename)?.['upload-time'], TIME);
  const again = await cli(dir, '--json');
  const { files: outcomes } = JSON.parse(again.stdout) as { files: { state: string }[] };
  assert.deepEqual(outcomes.map(({ state }) => state).sort(), ['failed', 'present', 'present']);
  assert.equal((await cli()).status, 2);
  assert.equal((await cli(join(dir, 'nowhere'))).status, 2);
});

test('another index moves in, in HTML or JSON', async (t) => {
  const { app, cli } = await prepared(t);
  for (const formats of ['html', 'json'] as const) {
    const up = await fakeUpstream(t, { formats, links: 'relative', credentials: { user: 'u', password: 'p' } });
    const files = formats === 'html' ? [one, two] : [three];
    for (const file of files) up.project(file.name).add(file, { uploadTime: TIME });
    const url = up.url.replace('//', '//u:p@');
    const moved = await cli('--simple', url);
    assert.equal(moved.status, 0, moved.stderr);
    assert.match(moved.stdout, new RegExp(`^${files.length} files are stored`));
    const downloads = up.requests('/files/*');
    assert.match((await cli('--simple', url)).stdout, /^0 files are stored/);
    assert.equal(up.requests('/files/*'), downloads, 'what is here is not fetched');
  }
  assert.equal((await listed(app, 'acme-lib')).length, 2);
  assert.equal((await listed(app, 'other'))[0]?.['upload-time'], TIME);
});

test('an export of devpi', async (t) => {
  const { app, cli, dir } = await prepared(t);
  const relpath = `team/dev/acme-lib/1.0/${one.filename}`;
  await mkdir(join(dir, 'team/dev/acme-lib/1.0'), { recursive: true });
  await writeFile(join(dir, relpath), one.bytes);
  const entrymapping = { last_modified: 'Mon, 04 Mar 2024 05:06:07 GMT', hash_spec: `sha256=${one.sha256}` };
  const data = {
    indexes: {
      'root/pypi': { indexconfig: { type: 'mirror' }, files: [{ type: 'releasefile', relpath: 'x/y-1.0.zip' }] },
      'team/dev': {
        indexconfig: { type: 'stage' },
        files: [
          { type: 'releasefile', relpath, entrymapping },
          { type: 'doczip', relpath: 'team/dev/acme-lib/docs.zip' },
          { type: 'releasefile', relpath: '../../etc/passwd-1.0.zip' },
        ],
      },
    },
  };
  await writeFile(join(dir, 'dataindex.json'), JSON.stringify(data));
  const moved = await cli('--devpi', dir);
  assert.equal(moved.status, 0, moved.stderr);
  assert.equal((await listed(app, 'acme-lib'))[0]?.['upload-time'], TIME);
  assert.equal((await cli('--devpi', dir, '--devpi-index', 'team/prod')).status, 2);
});

test('a folder is sent again where it broke off; files that share a name are told', async (t) => {
  const { app, cli, dir } = await prepared(t);
  const changed = makeWheel({ name: 'acme-lib', version: '1.0', description: 'other bytes' });
  for (const [folder, file] of [
    ['a', one],
    ['b', one],
    ['c', changed],
    ['a', three],
  ] as const) {
    await mkdir(join(dir, folder), { recursive: true });
    await writeFile(join(dir, folder, file.filename), file.bytes);
  }
  const first = await cli(dir);
  assert.equal(first.status, 1);
  assert.equal(first.stdout, '2 files are stored, 0 were here already\n');
  assert.match(first.stderr, /has the same name and other bytes\n1 files could not be sent\n$/);
  assert.equal((await listed(app, 'acme-lib')).length, 1);
});

test('an index is fetched by the server: followed, or left to it', async (t) => {
  const { cli } = await prepared(t);
  const up = await fakeUpstream(t);
  up.project('acme-lib').add(one);
  const id = (await cli('--simple', up.url, '--detach')).stdout.trim();
  assert.match(id, /^[\w-]+$/);
  const job = JSON.parse((await cli('--simple', up.url, '--json')).stdout) as { state: string; files: unknown[] };
  assert.deepEqual([job.state, job.files.length], ['succeeded', 1]);
  for (const wrong of [
    ['--simple', up.url, '--dry-run'],
    ['.', '--detach'],
    ['.', '--project', 'x'],
    ['.', '--simple', up.url],
  ])
    assert.equal((await cli(...wrong)).status, 2, wrong.join(' '));
  assert.equal((await cli('--simple', 'ftp://index.example/')).status, 1);
});

test('a time of upload is for admins to tell', async (t) => {
  const { app } = await prepared(t);
  const made = await app.admin('/admin/tokens', { method: 'POST', body: '{"name":"ci","can":["upload"]}' });
  const { token } = (await made.json()) as { token: string };
  const upload = async (bearer: string, time: string): Promise<number> => {
    const form = new FormData();
    for (const [name, value] of Object.entries({
      name: 'acme-lib',
      version: '1.0',
      filetype: 'bdist_wheel',
      upload_time: time,
    }))
      form.set(name, value);
    form.set('content', new Blob([new Uint8Array(one.bytes)]), one.filename);
    const headers = { authorization: `Bearer ${bearer}` };
    return (await app.get('/legacy/', { method: 'POST', headers, body: form })).status;
  };
  assert.equal(await upload(token, TIME), 403);
  assert.equal(await upload(app.token, 'yesterday'), 400);
  assert.equal(await upload(app.token, TIME), 200);
});
