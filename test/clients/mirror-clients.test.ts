import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type ClientOutcome, clientPath, runClient, skipWithout } from '../support/clients.ts';
import { type FakeGit, fakeGit, skipWithoutGit } from '../support/fake-git.ts';
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts';
import { gitProject } from '../support/git-project.ts';
import { drill, mirror, rewritten } from '../support/mirroring.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { makeSdist, makeWheel } from '../support/wheel.ts';

const beta = [makeWheel({ name: 'beta', version: '2.0' }), makeSdist({ name: 'beta', version: '2.0' })];
const alpha = makeWheel({ name: 'alpha', version: '1.0', requiresDist: ['beta>=1'] });
const gamma = makeWheel({ name: 'gamma', version: '3.0' });
const skipGit = await skipWithoutGit();

interface World {
  readonly up: FakeUpstream;
  readonly git: FakeGit;
  readonly app: TestApp;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly gammaUrl: string;
  readonly gitUrl: string;
  /** A repository that has epsilon in a folder, and another project at its top. */
  readonly monoUrl: string;
}

/** An index behind the server, an archive at an address, a git repository; and a project that needs all of them. */
async function world(t: Parameters<typeof fakeUpstream>[0]): Promise<World> {
  const up = await fakeUpstream(t, { files: 'other' });
  up.project('alpha').add(alpha);
  for (const file of beta) up.project('beta').add(file);
  up.project('gamma').add(gamma);
  const git = await fakeGit(t);
  await git.commit('delta', gitProject('delta', '4.0'), { tag: 'v4' });
  const inFolder = gitProject('epsilon', '5.0', 'packages/epsilon/');
  await git.commit('mono', { ...gitProject('mono', '9.0'), ...inFolder }, { tag: 'v5' });
  const filesHost = new URL(up.filesUrl).host;
  const app = await testApp(t, { upstream: up.url, config: { fetch: { allowHosts: [git.host, filesHost] } } });
  const cwd = await tempDir(t);
  const gammaUrl = `${up.filesUrl}${gamma.filename}`;
  const gitUrl = git.url('delta');
  const monoUrl = git.url('mono');
  const index = `${app.url}/simple/`;
  const env = {
    PIP_INDEX_URL: index,
    UV_DEFAULT_INDEX: index,
    UV_PYTHON: clientPath('python'),
    PDM_CHECK_UPDATE: '0',
    POETRY_VIRTUALENVS_IN_PROJECT: 'true',
  };
  return { up, git, app, cwd, env, gammaUrl, gitUrl, monoUrl };
}

function succeeded({ status, output }: ClientOutcome): string {
  assert.equal(status, 0, output);
  return output;
}

/** Mirrors the lock in `cwd`, puts the rewritten one in its place, and lets every outside host disappear. */
async function outage({ app, cwd, up, git }: World, name: string): Promise<string> {
  const call = { name, content: await readFile(join(cwd, name), 'utf8') };
  const job = await mirror(app, call);
  assert.equal(job.state, 'succeeded', JSON.stringify(job, null, 1));
  const lock = await rewritten(app, job);
  await writeFile(join(cwd, name), lock);
  await up.refuse();
  await git.refuse();
  const proof = await drill(app, { name, content: lock });
  assert.deepEqual(proof.missing, []);
  // What uv writes of pyproject.toml at the end says what was asked for, and stays.
  assert.ok(!lock.split('[package.metadata]')[0]?.includes(git.host), lock);
  return lock;
}

/** Asserts that a Python has all five distributions. */
async function hasAll(cwd: string, python: string): Promise<void> {
  const script =
    'import alpha, beta, gamma, delta, epsilon; print(*(each.__version__ for each in (alpha, beta, gamma, delta, epsilon)))';
  const { status, output } = await runClient(
    'python',
    [
      '-c',
      `import subprocess, sys; sys.exit(subprocess.call([${JSON.stringify(python)}, "-c", ${JSON.stringify(script)}]))`,
    ],
    { cwd },
  );
  assert.equal(status, 0, output);
  assert.match(output, /1\.0 2\.0 3\.0 4\.0 5\.0/);
}

async function venv(cwd: string): Promise<string> {
  succeeded(await runClient('python', ['-m', 'venv', 'venv'], { cwd }));
  return join(cwd, 'venv', 'bin', 'python');
}

const inMono = ({ monoUrl }: World): string => `git+${monoUrl}@v5#subdirectory=packages/epsilon`;

const PROJECT = (w: World, extra = ''): string =>
  `[project]\nname = "mine"\nversion = "0.1"\nrequires-python = ">=3.11"\ndependencies = ["alpha", "gamma @ ${w.gammaUrl}", "delta @ git+${w.gitUrl}@v4", "epsilon @ ${inMono(w)}"]\n${extra}`;

describe('locks that were rewritten install with every outside host gone', { skip: skipGit }, () => {
  test('requirements.txt, by pip and uv', { skip: skipWithout('pip', 'uv', 'python') }, async (t) => {
    const w = await world(t);
    await writeFile(
      join(w.cwd, 'requirements.in'),
      `alpha\ngamma @ ${w.gammaUrl}\ndelta @ git+${w.gitUrl}@v4\nepsilon @ ${inMono(w)}\n`,
    );
    const compile = ['pip', 'compile', '--no-cache', '--generate-hashes', '-o', 'requirements.txt', 'requirements.in'];
    succeeded(await runClient('uv', compile, w));
    const lock = await outage(w, 'requirements.txt');
    assert.match(lock, /delta @ \S+\/sources\/delta\/delta-[0-9a-f]{40}\.tar\.gz#sha256=/);
    const python = await venv(w.cwd);
    const args = ['--python', python, 'install', '--no-cache-dir', '--require-hashes', '-r', 'requirements.txt'];
    succeeded(await runClient('pip', args, w));
    await hasAll(w.cwd, python);
    const target = [
      'pip',
      'install',
      '--no-cache',
      '--require-hashes',
      '--target',
      'uv-target',
      '-r',
      'requirements.txt',
    ];
    succeeded(await runClient('uv', target, w));
  });

  test('pylock.toml, by pip and uv', { skip: skipWithout('pip', 'uv', 'python') }, async (t) => {
    const w = await world(t);
    await writeFile(
      join(w.cwd, 'requirements.in'),
      `alpha\ngamma @ ${w.gammaUrl}\ndelta @ git+${w.gitUrl}@v4\nepsilon @ ${inMono(w)}\n`,
    );
    const compile = ['pip', 'compile', '--no-cache', '--format', 'pylock.toml', '-o', 'pylock.toml', 'requirements.in'];
    succeeded(await runClient('uv', compile, w));
    await outage(w, 'pylock.toml');
    const python = await venv(w.cwd);
    succeeded(await runClient('uv', ['pip', 'install', '--no-cache', '--python', python, '-r', 'pylock.toml'], w));
    await hasAll(w.cwd, python);
  });

  test('uv.lock, by uv sync --frozen', { skip: skipWithout('uv', 'python') }, async (t) => {
    const w = await world(t);
    await writeFile(join(w.cwd, 'pyproject.toml'), PROJECT(w));
    succeeded(await runClient('uv', ['lock', '--no-cache'], w));
    await outage(w, 'uv.lock');
    succeeded(await runClient('uv', ['sync', '--no-cache', '--frozen'], w));
    await hasAll(w.cwd, join(w.cwd, '.venv', 'bin', 'python'));
  });

  test('pdm.lock, by pdm sync', { skip: skipWithout('pdm', 'python') }, async (t) => {
    const w = await world(t);
    const source = `\n[[tool.pdm.source]]\nname = "pypi"\nurl = "${w.app.url}/simple/"\nverify_ssl = false\n[tool.pdm]\ndistribution = false\n`;
    await writeFile(join(w.cwd, 'pyproject.toml'), PROJECT(w, source));
    succeeded(await runClient('python', ['-m', 'venv', '.venv'], w));
    succeeded(await runClient('pdm', ['use', '-f', join(w.cwd, '.venv', 'bin', 'python')], w));
    succeeded(await runClient('pdm', ['lock'], w));
    await outage(w, 'pdm.lock');
    succeeded(await runClient('pdm', ['sync', '--no-self'], w));
    await hasAll(w.cwd, join(w.cwd, '.venv', 'bin', 'python'));
  });

  test('poetry.lock, by poetry install', { skip: skipWithout('poetry', 'python') }, async (t) => {
    const w = await world(t);
    const source = `\n[[tool.poetry.source]]\nname = "cellar"\nurl = "${w.app.url}/simple/"\npriority = "primary"\n[tool.poetry]\npackage-mode = false\n`;
    await writeFile(join(w.cwd, 'pyproject.toml'), PROJECT(w, source));
    succeeded(await runClient('poetry', ['lock', '--no-interaction'], w));
    await outage(w, 'poetry.lock');
    const cold = { ...w, env: { ...w.env, POETRY_CACHE_DIR: join(w.cwd, 'cold') } };
    succeeded(await runClient('poetry', ['install', '--no-interaction', '--no-root'], cold));
    await hasAll(w.cwd, join(w.cwd, '.venv', 'bin', 'python'));
  });

  test('Pipfile.lock, by pipenv sync and pipenv install', { skip: skipWithout('pipenv', 'python') }, async (t) => {
    const w = await world(t);
    const source = `[[source]]\nname = "cellar"\nurl = "${w.app.url}/simple/"\nverify_ssl = false\n`;
    const packages = `[packages]\nalpha = "*"\ngamma = {file = "${w.gammaUrl}"}\ndelta = {git = "${w.gitUrl}", ref = "v4"}\nepsilon = {git = "${w.monoUrl}", ref = "v5", subdirectory = "packages/epsilon"}\n`;
    await writeFile(join(w.cwd, 'Pipfile'), `${source}\n${packages}`);
    const env = { ...w.env, PIPENV_VENV_IN_PROJECT: '1', PIPENV_NOSPIN: '1' };
    const pipenv = (args: readonly string[], cache: string) =>
      runClient('pipenv', args, { ...w, env: { ...env, PIPENV_CACHE_DIR: join(w.cwd, cache) } });
    succeeded(await pipenv(['--python', clientPath('python'), 'lock'], 'warm'));
    await outage(w, 'Pipfile.lock');
    for (const command of ['sync', 'install']) {
      succeeded(await runClient('python', ['-m', 'venv', '--clear', '.venv'], w));
      succeeded(await pipenv([command], `cold-${command}`));
      await hasAll(w.cwd, join(w.cwd, '.venv', 'bin', 'python'));
    }
  });
});
