import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type ClientOutcome, clientPath, runClient, skipWithout } from '../support/clients.ts';
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts';
import { pipInstall, uvInstall } from '../support/installers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { type BuiltFile, makeSdist, makeWheel } from '../support/wheel.ts';

type Context = Parameters<typeof fakeUpstream>[0];

const dep = makeWheel({ name: 'demo-dep', version: '1.5' });
const options = { name: 'Demo_Pkg', requiresDist: ['demo-dep>=1'], requiresPython: '>=3.8' };
const [old, oldSource] = [makeWheel({ ...options, version: '1.0' }), makeSdist({ ...options, version: '1.0' })];
const [recent, recentSource] = [makeWheel({ ...options, version: '2.0' }), makeSdist({ ...options, version: '2.0' })];
const FILES = [dep, old, oldSource, recent, recentSource];

async function upstreamOf(t: Context, more: Parameters<typeof fakeUpstream>[1] = {}): Promise<FakeUpstream> {
  const up = await fakeUpstream(t, { files: 'other', ...more });
  up.project('demo-dep').add(dep, { uploadTime: '2023-01-01T00:00:00Z' });
  for (const [file, uploadTime] of [
    [old, '2023-01-01T00:00:00Z'],
    [oldSource, '2023-01-01T00:00:00Z'],
    [recent, '2025-01-01T00:00:00Z'],
    [recentSource, '2025-01-01T00:00:00Z'],
  ] as const)
    up.project('demo-pkg').add(file, { uploadTime });
  return up;
}

/** A folder with a project that needs demo-pkg, and what a tool says of its index. */
async function projectFolder(t: Context, tool: string): Promise<string> {
  const dir = await tempDir(t);
  const project = '[project]\nname = "mine"\nversion = "0.1"\nrequires-python = ">=3.8"\ndependencies = ["demo-pkg"]\n';
  await writeFile(join(dir, 'pyproject.toml'), `${project}\n${tool}`);
  return dir;
}

function succeeded({ status, output }: ClientOutcome): string {
  assert.equal(status, 0, output);
  return output;
}

function refusals(app: TestApp): unknown[] {
  return app.logged.filter((line) => line.msg === 'request' && Number(line.status) >= 400);
}

function hashesIn(text: string): Set<string> {
  return new Set(Array.from(text.matchAll(/(?<!_)hash = "sha256:([0-9a-f]{64})/g), ([, hex]) => hex ?? ''));
}

function digests(...files: readonly BuiltFile[]): Set<string> {
  return new Set(files.map((file) => file.sha256));
}

describe('uv locks', { skip: skipWithout('uv', 'python') }, () => {
  const env = { UV_PYTHON: clientPath('python') };

  it('a closed index with its credentials, without one 401, and as it stood at an instant', async (t) => {
    const up = await upstreamOf(t, { formats: 'json' });
    const app = await testApp(t, { upstream: up.url, config: { access: { anonymous: [] } } });
    const index = `[[tool.uv.index]]\nname = "cellar"\nurl = "${app.url}/simple/"\ndefault = true\n`;
    const cwd = await projectFolder(t, index);
    const credentials = { UV_INDEX_CELLAR_USERNAME: '__token__', UV_INDEX_CELLAR_PASSWORD: app.token };
    const lock = ['lock', '--no-cache', '--exclude-newer', '2024-06-01T00:00:00Z'];
    succeeded(await runClient('uv', lock, { cwd, env: { ...env, ...credentials } }));
    const text = await readFile(join(cwd, 'uv.lock'), 'utf8');
    assert.deepEqual(hashesIn(text), digests(dep, old, oldSource));
    assert.match(text, new RegExp(`size = ${old.bytes.length}, upload-time = "2023-01-01T00:00:00Z"`));
    succeeded(await runClient('uv', ['sync', '--no-cache', '--frozen'], { cwd, env: { ...env, ...credentials } }));
    assert.deepEqual(refusals(app), []);
    assert.equal(up.requests(`/files/${oldSource.filename}`), 0, 'a lock needs no bodies');
  });

  it('to the same hashes as directly', async (t) => {
    const up = await upstreamOf(t);
    const app = await testApp(t, { upstream: up.url });
    const cwd = await tempDir(t);
    await writeFile(join(cwd, 'requirements.in'), 'demo-pkg\n');
    const compile = async (index: string, ...more: string[]) => {
      const args = ['pip', 'compile', 'requirements.in', '--no-cache', '--no-header', '--generate-hashes', ...more];
      return succeeded(await runClient('uv', [...args, '--default-index', index], { cwd, env })).split('Resolved')[0];
    };
    assert.equal(await compile(`${app.url}/simple/`), await compile(up.url));
    const before = ['--exclude-newer', '2024-01-01'];
    assert.equal(await compile(`${app.url}/simple/`, ...before), await compile(up.url, ...before));
    assert.equal(await compile(`${app.url}/at/2024-01-01/simple/`), await compile(up.url, ...before));
    const pylock = async (index: string) =>
      (await compile(index, '--format', 'pylock.toml'))?.replaceAll(/url = "[^"]*\/([^"/]+)"/g, 'url = "$1"');
    assert.equal(await pylock(`${app.url}/simple/`), await pylock(up.url), 'sizes and times as well');
  });

  it('to nothing that a page without upload times would let in', async (t) => {
    const up = await fakeUpstream(t, { formats: 'html' });
    up.project('demo-dep').add(dep);
    const app = await testApp(t, { upstream: up.url });
    const args = ['demo-dep', '--exclude-newer', '2030-01-01'];
    const through = await uvInstall({ index: `${app.url}/simple/`, args });
    const directly = await uvInstall({ index: up.url, args });
    assert.equal(through.status, directly.status, through.output);
  });
});

describe('views of the index', { skip: skipWithout('pip', 'uv', 'python') }, () => {
  it('are followed by pip and uv: an instant, what is stored, and what was uploaded before', async (t) => {
    const up = await upstreamOf(t);
    const app = await testApp(t, { upstream: up.url });
    const was = { demo_pkg: '1.0', demo_dep: '1.5' };
    const install = async (view: string, ...args: string[]) => {
      const index = `${app.url}${view}/simple/`;
      const outcomes = await Promise.all([pipInstall({ index, args }), uvInstall({ index, args })]);
      return outcomes.map(({ versions }) => versions);
    };
    assert.deepEqual(await install('/at/2024-01-01', 'demo-pkg'), [was, was]);
    assert.deepEqual(await install('/at/2022-01-01', 'demo-pkg'), [{}, {}]);
    assert.deepEqual(await install('/offline', 'demo-pkg'), [was, was], 'the newest that is stored');
    assert.deepEqual(await install('/offline', 'demo-pkg==2.0'), [{}, {}]);
    const prior = await pipInstall({
      index: `${app.url}/simple/`,
      args: ['--uploaded-prior-to', '2024-01-01', 'demo-pkg'],
    });
    assert.deepEqual(prior.versions, was, prior.output);
    assert.deepEqual(await install('', 'demo-pkg'), [
      { ...was, demo_pkg: '2.0' },
      { ...was, demo_pkg: '2.0' },
    ]);
  });
});

describe('poetry', { skip: skipWithout('poetry', 'python') }, () => {
  it('locks and installs, downloads no bodies to lock, and is not asked for credentials twice', async (t) => {
    const up = await upstreamOf(t);
    const app = await testApp(t, { upstream: up.url, config: { access: { anonymous: [] } } });
    const source = `[[tool.poetry.source]]\nname = "cellar"\nurl = "${app.url}/simple/"\npriority = "primary"\n`;
    const cwd = await projectFolder(t, `[tool.poetry]\npackage-mode = false\n\n${source}`);
    const env = {
      POETRY_HTTP_BASIC_CELLAR_USERNAME: '__token__',
      POETRY_HTTP_BASIC_CELLAR_PASSWORD: app.token,
      POETRY_VIRTUALENVS_IN_PROJECT: 'true',
      POETRY_CACHE_DIR: join(cwd, 'cache'),
    };
    // An upload address on the same host, which is not to be taken for the index when credentials are looked for.
    await writeFile(join(cwd, 'poetry.toml'), `[repositories.releases]\nurl = "${app.url}/legacy/"\n`);
    const run = (...args: string[]) => runClient('poetry', ['--no-interaction', ...args], { cwd, env });
    succeeded(await run('lock'));
    const lock = await readFile(join(cwd, 'poetry.lock'), 'utf8');
    assert.deepEqual(hashesIn(lock), digests(dep, recent, recentSource));
    assert.equal(FILES.filter((file) => up.requests(`/files/${file.filename}`) > 0).length, 0);
    succeeded(await run('install', '--no-root'));
    assert.deepEqual(refusals(app), []);
  });
});

describe('pdm', { skip: skipWithout('pdm', 'python') }, () => {
  it('locks and installs, and downloads no bodies to lock', async (t) => {
    const up = await upstreamOf(t);
    const app = await testApp(t, { upstream: up.url });
    const source = `[[tool.pdm.source]]\nname = "pypi"\nurl = "${app.url}/simple/"\nverify_ssl = true\n`;
    const cwd = await projectFolder(t, `[tool.pdm]\ndistribution = false\n\n${source}`);
    const env = { PDM_CACHE_DIR: join(cwd, 'cache'), PDM_CHECK_UPDATE: '0', PDM_IGNORE_SAVED_PYTHON: '1' };
    succeeded(await runClient('pdm', ['lock'], { cwd, env }));
    const lock = await readFile(join(cwd, 'pdm.lock'), 'utf8');
    assert.deepEqual(hashesIn(lock), digests(dep, recent, recentSource));
    assert.equal(FILES.filter((file) => up.requests(`/files/${file.filename}`) > 0).length, 0);
    succeeded(await runClient('pdm', ['sync', '--no-self'], { cwd, env }));
    assert.deepEqual(refusals(app), []);
  });
});

describe('pypi-simple', { skip: skipWithout('python') }, () => {
  it('reads the list, a page in either form and what it says of each file', async (t) => {
    const up = await upstreamOf(t);
    up.project('demo-pkg').add(makeWheel({ ...options, version: '0.1' }), { yanked: '' });
    const app = await testApp(t, { upstream: up.url });
    const script = `
import json, sys
from pypi_simple import PyPISimple, ACCEPT_HTML_ONLY, ACCEPT_JSON_ONLY
result = []
with PyPISimple(sys.argv[1]) as client:
    for accept in (None, ACCEPT_HTML_ONLY, ACCEPT_JSON_ONLY):
        kwargs = {} if accept is None else {"accept": accept}
        page = client.get_project_page("Demo_Pkg", **kwargs)
        for package in page.packages:
            result.append([package.filename, package.version, package.digests["sha256"], package.requires_python,
                           package.is_yanked, package.has_metadata, package.url.startswith(sys.argv[1])])
        names = [name for name in client.get_index_page(**kwargs).projects]
        result.append([names, page.repository_version])
print(json.dumps(result))
`;
    const asked = await runClient('python', ['-c', script, `${app.url}/simple/`], { cwd: await tempDir(t) });
    const result = JSON.parse(succeeded(asked)) as unknown[][];
    const expected = [
      [old.filename, '1.0', old.sha256, '>=3.8', false, true, true],
      [oldSource.filename, '1.0', oldSource.sha256, '>=3.8', false, null, true],
      [recent.filename, '2.0', recent.sha256, '>=3.8', false, true, true],
      [recentSource.filename, '2.0', recentSource.sha256, '>=3.8', false, null, true],
    ];
    for (const form of [0, 1, 2]) {
      const page = result.slice(form * 6, form * 6 + 6);
      assert.deepEqual(page.slice(0, 4), expected);
      assert.deepEqual(page[4]?.slice(4), [true, true, true]);
      assert.deepEqual(page[5], [['demo-pkg'], '1.4']);
    }
  });
});
