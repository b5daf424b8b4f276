import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type ClientName, type ClientOutcome, runClient, skipWithout } from '../support/clients.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { type BuiltFile, makeSdist, makeWheel } from '../support/wheel.ts';

/** A tool that uploads the files of a `dist` folder; flit builds its own. */
interface Uploader {
  readonly name: ClientName;
  readonly args: (app: TestApp, path: string) => readonly string[];
  readonly env?: (app: TestApp, path: string) => Record<string, string>;
}

const UPLOADERS: readonly Uploader[] = [
  {
    name: 'twine',
    args: (app, path) =>
      ['upload', '--non-interactive', '--disable-progress-bar', '--repository-url', app.url + path].concat(
        ['-u', '__token__', '-p', app.token],
        ['dist/*'],
      ),
  },
  {
    name: 'uv',
    args: (app, path) => [
      'publish',
      '--trusted-publishing',
      'never',
      '--publish-url',
      app.url + path,
      '--token',
      app.token,
    ],
  },
  {
    name: 'poetry',
    args: () => ['publish', '--no-interaction', '--repository', 'cellar'],
    env: (app, path) => ({
      POETRY_REPOSITORIES_CELLAR_URL: app.url + path,
      POETRY_HTTP_BASIC_CELLAR_USERNAME: '__token__',
      POETRY_HTTP_BASIC_CELLAR_PASSWORD: app.token,
    }),
  },
  {
    name: 'hatch',
    args: (app, path) => ['publish', '--no-prompt', '-r', app.url + path, '-u', '__token__', '-a', app.token],
  },
  {
    name: 'pdm',
    args: (app, path) => ['publish', '--no-build', '-r', app.url + path, '-u', '__token__', '-P', app.token],
  },
];

const FLIT: Uploader = {
  name: 'flit',
  args: () => ['publish', '--no-use-vcs'],
  env: (app, path) => ({ FLIT_INDEX_URL: app.url + path, FLIT_USERNAME: '__token__', FLIT_PASSWORD: app.token }),
};

const METADATA_LINES = [
  'Summary: A demo – with a dash',
  'Keywords: alpha,beta',
  'Classifier: Private :: Demo',
  'Classifier: Programming Language :: Python :: 3',
  'Project-URL: Homepage, https://demo.example/',
  'Provides-Extra: cli',
  'Description-Content-Type: text/markdown',
];

function files(version: string, description = '# Demo\n'): readonly BuiltFile[] {
  const options = { name: 'My_Demo.pkg', version, requiresPython: '>=3.8', description, metadataLines: METADATA_LINES };
  return [makeWheel(options), makeSdist(options)];
}

/** A project folder as each of the tools wants it, with these files in `dist`. */
async function projectFolder(t: { after(fn: () => Promise<void>): void }, dist: readonly BuiltFile[]): Promise<string> {
  const dir = await tempDir(t);
  const version = dist[0]?.version ?? '1.0';
  await mkdir(join(dir, 'dist'), { recursive: true });
  for (const file of dist) await writeFile(join(dir, 'dist', file.filename), file.bytes);
  await writeFile(
    join(dir, 'pyproject.toml'),
    `[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n\n[project]\nname = "My_Demo.pkg"\nversion = "${version}"\n` +
      'description = "A demo"\nrequires-python = ">=3.8"\nlicense = "MIT"\nauthors = [{name = "A", email = "a@demo.example"}]\n' +
      '\n[tool.flit.module]\nname = "my_demo"\n',
  );
  await writeFile(join(dir, 'my_demo.py'), `"""A demo."""\n__version__ = "${version}"\n`);
  return dir;
}

async function run(uploader: Uploader, app: TestApp, cwd: string, path = '/legacy/'): Promise<ClientOutcome> {
  const env = uploader.env?.(app, path) ?? {};
  return await runClient(uploader.name, uploader.args(app, path), { cwd, env });
}

async function listed(app: TestApp): Promise<Record<string, { sha256?: string }>> {
  const headers = { accept: 'application/vnd.pypi.simple.v1+json' };
  const response = await app.get('/simple/my-demo-pkg/', { headers });
  if (response.status === 404) return {};
  const page = (await response.json()) as { files: { filename: string; hashes: { sha256?: string } }[] };
  return Object.fromEntries(page.files.map((file) => [file.filename, file.hashes]));
}

for (const uploader of UPLOADERS) {
  describe(`${uploader.name} uploads`, { skip: skipWithout(uploader.name) }, () => {
    it('a wheel and an sdist, with a slash and without, and the same again', async (t) => {
      const app = await testApp(t);
      const expected: Record<string, unknown> = {};
      for (const [i, path] of ['/legacy/', '/legacy', '/index/main/legacy/'].entries()) {
        const dist = files(`1.${i}`);
        const dir = await projectFolder(t, dist);
        for (const file of dist) expected[file.filename] = { sha256: file.sha256 };
        const { status, output } = await run(uploader, app, dir, path);
        assert.equal(status, 0, output);
        const again = await run(uploader, app, dir, path);
        assert.equal(again.status, 0, again.output);
      }
      assert.deepEqual(await listed(app), expected);
    });

    it('nothing that is refused, and shows the reason', async (t) => {
      const app = await testApp(t);
      const [first] = files('1.0');
      assert.ok(first);
      const dir = await projectFolder(t, [first]);
      assert.equal((await run(uploader, app, dir)).status, 0);
      const [other] = files('1.0', 'other');
      assert.ok(other);
      await writeFile(join(dir, 'dist', other.filename), other.bytes);
      const refused = await run(uploader, app, dir);
      // hatch believes what it reads at +simple, and leaves out what is there.
      if (uploader.name === 'hatch') assert.match(refused.output, /already exists/);
      else assert.notEqual(refused.status, 0);
      if (uploader.name !== 'hatch') assert.match(refused.output, /is here with other content/);
      if (uploader.name === 'uv') assert.ok(!refused.output.includes('{'), refused.output);
      assert.deepEqual(await listed(app), { [first.filename]: { sha256: first.sha256 } });
    });
  });
}

describe('flit publishes', { skip: skipWithout('flit') }, () => {
  it('what it builds, with a slash and without', async (t) => {
    const app = await testApp(t);
    for (const [version, path] of [
      ['1.0', '/legacy/'],
      ['1.1', '/legacy'],
    ] as const) {
      const dir = await projectFolder(t, files(version));
      const { status, output } = await run(FLIT, app, dir, path);
      assert.equal(status, 0, output);
    }
    assert.deepEqual(Object.keys(await listed(app)), [
      'my_demo_pkg-1.0-py3-none-any.whl',
      'my_demo_pkg-1.0.tar.gz',
      'my_demo_pkg-1.1-py3-none-any.whl',
      'my_demo_pkg-1.1.tar.gz',
    ]);
    const json = (await (await app.get('/pypi/my-demo-pkg/1.0/json')).json()) as {
      info: { license_expression: unknown };
    };
    // The form that flit sends has no license; the file does.
    assert.equal(json.info.license_expression, 'MIT');
  });
});

describe('twine uploads', { skip: skipWithout('twine') }, () => {
  const [twine] = UPLOADERS;

  it('whatever the order of its fields, which changes from run to run', async (t) => {
    assert.ok(twine);
    const app = await testApp(t);
    for (let i = 0; i < 5; i++) {
      const dir = await projectFolder(t, files(`1.${i}`));
      const { status, output } = await run(twine, app, dir);
      assert.equal(status, 0, output);
    }
    assert.equal(Object.keys(await listed(app)).length, 10);
  });

  it('a broken archive once only, and shows why', async (t) => {
    assert.ok(twine);
    const app = await testApp(t);
    const [wheel] = files('1.0');
    assert.ok(wheel);
    const dir = await projectFolder(t, [{ ...wheel, bytes: Buffer.concat([wheel.bytes, Buffer.from('PK')]) }]);
    const { status, output } = await run(twine, app, dir);
    assert.notEqual(status, 0);
    assert.match(output, /Not a valid archive/);
    const refused = app.logged.filter((line) => line.problem === 'invalid-archive');
    assert.equal(refused.length, 1);
    assert.deepEqual(await listed(app), {});
  });
});

describe('uv publishes', { skip: skipWithout('uv') }, () => {
  it('what is not there, by its check of the index', async (t) => {
    const app = await testApp(t);
    const dir = await projectFolder(t, files('1.0'));
    const args = [
      'publish',
      '--trusted-publishing',
      'never',
      '--publish-url',
      `${app.url}/legacy/`,
      '--token',
      app.token,
    ];
    const check = [...args, '--check-url', `${app.url}/simple/`];
    const first = await runClient('uv', check, { cwd: dir });
    assert.equal(first.status, 0, first.output);
    const second = await runClient('uv', check, { cwd: dir });
    assert.equal(second.status, 0, second.output);
    assert.match(second.output, /already exists, skipping/);
    const uploads = app.logged.filter((line) => line.method === 'POST');
    assert.ok(uploads.length <= 2, JSON.stringify(uploads));
  });

  it('with a hint when it is pointed at the index instead', async (t) => {
    const app = await testApp(t);
    const dir = await projectFolder(t, files('1.0'));
    const args = [
      'publish',
      '--trusted-publishing',
      'never',
      '--publish-url',
      `${app.url}/simple/`,
      '--token',
      app.token,
    ];
    const { status, output } = await runClient('uv', args, { cwd: dir });
    assert.notEqual(status, 0);
    assert.match(output, /simple index URL instead of the upload URL/);
  });
});

describe('a token that may not', { skip: skipWithout('twine', 'uv', 'poetry', 'pdm', 'hatch') }, () => {
  it('is told so by every tool', async (t) => {
    const app = await testApp(t);
    const body = JSON.stringify({ name: 'reader', can: ['read'] });
    const made = (await (await app.admin('/admin/tokens', { method: 'POST', body })).json()) as { token: string };
    const dir = await projectFolder(t, files('1.0'));
    for (const uploader of UPLOADERS) {
      const { status, output } = await run(uploader, { ...app, token: made.token }, dir);
      assert.notEqual(status, 0, uploader.name);
      assert.match(output, /403/, `${uploader.name}: ${output}`);
    }
    assert.deepEqual(await listed(app), {});
  });
});
