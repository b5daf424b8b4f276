import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'launcher-'));
});
after(() => rm(folder, { recursive: true }));

/** A preload that makes Node say it is another version. */
function claiming(version: string): string {
  const code = `Object.defineProperty(process,'versions',{value:{...process.versions,node:'${version}'}})`;
  return `--import=data:text/javascript,${encodeURIComponent(code)}`;
}

function run(version: string, args: readonly string[], env: Record<string, string> = {}): SpawnSyncReturns<string> {
  const clean = { PATH: process.env.PATH ?? '', STORMCELLAR_TEST_SOURCES: '1', ...env };
  return spawnSync(process.execPath, [claiming(version), ...args], { cwd: root, encoding: 'utf8', env: clean });
}

/** Puts an `npx` into the path that does what `script` says. */
async function withNpx(script: string): Promise<string> {
  const npx = join(folder, 'npx');
  await writeFile(npx, `#!/bin/sh\n${script}\n`);
  await chmod(npx, 0o755);
  return `${folder}:/usr/bin:/bin`;
}

test('the installed program names the Node it needs before it imports anything', async () => {
  const { engines } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { engines: { node: string } };
  const floor = engines.node.slice(2);
  const installed = join(folder, 'installed');
  await cp(join(root, 'bin'), join(installed, 'bin'), { recursive: true });
  await cp(join(root, 'package.json'), join(installed, 'package.json'));
  for (const old of ['18.0.0', '20.20.2', '22.22.1']) {
    const { status, stdout, stderr } = run(old, [join(installed, 'bin/stormcellar.mjs'), 'serve']);
    assert.deepEqual([status, stdout], [1, '']);
    assert.equal(stderr, `stormcellar needs Node >=${floor}, and this is Node ${old}.\n`);
  }
  for (const recent of [floor, '22.23.0', '24.0.0', '100.0.0']) {
    assert.equal(run(recent, ['bin/stormcellar.mjs', '--version']).status, 0, recent);
  }
});

test('the program can be started by its own name, and stays as it is when npm links it', async () => {
  const { mode } = await stat(join(root, 'bin/stormcellar.mjs'));
  assert.equal(mode & 0o111, 0o111);
});

test('what is not installed is told with a sentence', async () => {
  const bare = join(folder, 'bare');
  for (const part of ['bin', 'cli', 'scripts', 'package.json']) {
    await cp(join(root, part), join(bare, part), { recursive: true });
  }
  const program = run('24.0.0', [join(bare, 'bin/stormcellar.mjs'), '--version']);
  assert.deepEqual([program.status, program.stdout], [1, '']);
  assert.match(program.stderr, /^The package '\w+', which Stormcellar needs, is not installed: run "npm ci" .*\n$/);
  const script = run('24.0.0', [join(bare, 'scripts/with-node.mjs'), join(bare, 'scripts/test.mjs')]);
  assert.deepEqual([script.status, script.stderr], [1, 'Nothing is installed here yet: run "npm ci" first.\n']);
});

test('in a checkout the program goes on with a Node that npm fetches, from any folder', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const PATH = await withNpx(`echo "${process.execPath}"`);
  const { status, stdout, stderr } = run('20.20.2', [join(root, 'bin/stormcellar.mjs'), '--version'], { PATH });
  assert.deepEqual([status, stdout, stderr], [0, `${version}\n`, '']);
});

test('a script runs in the same process where Node is new enough, and nothing is fetched', async () => {
  const script = join(folder, 'echo.mjs');
  await writeFile(script, 'console.log(process.pid, process.ppid, ...process.argv.slice(2)); process.exitCode = 7;');
  const PATH = await withNpx('echo fetched >&2; exit 9');
  const { pid, status, stdout, stderr } = run('24.0.0', ['scripts/with-node.mjs', script, 'a', 'b c'], { PATH });
  assert.deepEqual([status, stdout, stderr], [7, `${pid} ${process.pid} a b c\n`, '']);
});

test('where Node is too old the script runs on one that npm fetches', async () => {
  const script = join(folder, 'which.mjs');
  await writeFile(script, 'console.log(process.versions.node, ...process.argv.slice(2)); process.exitCode = 7;');
  const PATH = await withNpx(
    `echo "$npm_config_prefer_offline $*" > "${folder}/asked"; echo a word >&2; echo "${process.execPath}"`,
  );
  const { status, stdout, stderr } = run('20.20.2', ['scripts/with-node.mjs', script, 'a'], { PATH });
  assert.deepEqual([status, stdout, stderr], [7, `${process.versions.node} a\n`, 'a word\n']);
  const asked = await readFile(join(folder, 'asked'), 'utf8');
  // from its cache, if it is there: a server has to start in an outage of the registry
  assert.equal(asked, `true --yes --package=node-linux-${process.arch}@24 -c command -v node\n`);
});

test('a server that is started there has the settings that it would give itself', async () => {
  const script = join(folder, 'start.mjs');
  await writeFile(script, 'console.log(process.execArgv.join(" "), process.env.MALLOC_ARENA_MAX);');
  const PATH = await withNpx(`echo "${process.execPath}"`);
  const printed = (env: Record<string, string>) =>
    run('20.20.2', ['scripts/with-node.mjs', script], { PATH, ...env }).stdout;
  assert.match(printed({}), /^--max-semi-space-size=4 --heap-growing-percent=70 --expose-gc --import=\S+ 2\n$/);
  assert.match(printed({ NODE_OPTIONS: '--max-semi-space-size=8' }), /^--import=\S+ undefined\n$/);
});

test('a Node that takes a while to come is announced', { timeout: 20_000 }, async () => {
  const gate = join(folder, 'gate');
  assert.equal(spawnSync('mkfifo', [gate]).status, 0);
  const PATH = await withNpx(`read line < "${gate}"; echo "${process.execPath}"`);
  const script = join(folder, 'nothing.mjs');
  await writeFile(script, '');
  const outer = spawn(process.execPath, [claiming('20.20.2'), 'scripts/with-node.mjs', script], {
    cwd: root,
    env: { PATH },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const [notice] = (await once(outer.stderr, 'data')) as [Buffer];
  assert.match(notice.toString(), /needs Node >=\S+, and this is Node 20\.20\.2; going on with a Node 24/);
  await writeFile(gate, 'go\n');
  assert.deepEqual(await once(outer, 'exit'), [0, null]);
});

test('what was fetched for ends with the process that fetched it, even by kill -9', { timeout: 20_000 }, async () => {
  const script = join(folder, 'wait.mjs');
  await writeFile(script, 'console.log(process.pid); setInterval(() => {}, 1000);');
  const PATH = await withNpx(`echo "${process.execPath}"`);
  const outer = spawn(process.execPath, [claiming('20.20.2'), 'scripts/with-node.mjs', script], {
    cwd: root,
    env: { PATH },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = (await once(outer.stdout, 'data')) as [Buffer];
  const inner = Number(line.toString());
  assert.notEqual(inner, outer.pid);
  outer.kill('SIGKILL');
  // The pipe is shared: it ends when the last of the two has gone, and the test would wait for ever for one that stays.
  await once(outer.stdout.resume(), 'end');
});

test('a Node that cannot be fetched is one sentence', async () => {
  const PATH = await withNpx('exit 1');
  const { status, stderr } = run('20.20.2', ['scripts/with-node.mjs', 'scripts/test.mjs'], { PATH });
  assert.equal(status, 1);
  assert.match(stderr, /npm could not fetch node-linux-\S+@24 \(npx ended with 1\)\.\n$/);
});
