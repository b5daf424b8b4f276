import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { clientPath, runClient, skipWithout } from '../support/clients.ts';
import { A1, B1, mirrorWorld, pins } from '../support/mirror-world.ts';
import { mirror } from '../support/mirroring.ts';
import { runCli } from '../support/run-cli.ts';
import { tempDir } from '../support/temp-dir.ts';

describe('a drill that installs', () => {
  for (const tool of ['pip', 'uv'] as const) {
    test(`${tool}, with nothing but the server in reach`, { skip: skipWithout(tool, 'python') }, async (t) => {
      const { up, app } = await mirrorWorld(t);
      const dir = await tempDir(t);
      const lock = join(dir, 'requirements.txt');
      const content = pins(A1, B1);
      await writeFile(lock, content);
      assert.equal((await mirror(app, { name: 'requirements.txt', content })).state, 'succeeded');
      await up.refuse();
      const env = {
        STORMCELLAR_URL: app.url,
        STORMCELLAR_TOKEN: app.token,
        PATH: `${join(clientPath('uv'), '..')}:${process.env.PATH}`,
      };
      const drill = (...more: readonly string[]) =>
        runCli(['drill', '-r', lock, '--run', tool, '--python', clientPath('python'), ...more], env);
      const ran = await drill();
      assert.equal(ran.status, 0, ran.stderr);
      assert.match(ran.stdout, new RegExp(`ready: 2 files are here\n${tool} has installed it in`));

      // An address elsewhere is in the way, whether or not its host is there.
      await writeFile(lock, `${content}other @ http://elsewhere.example/other-1.0-py3-none-any.whl\n`);
      const notReady = await drill();
      assert.equal(notReady.status, 1);
      assert.match(notReady.stderr, /not ready: 1 missing/);
      await writeFile(lock, `--extra-index-url https://elsewhere.example/simple/\n${content}`);
      const reached = await drill('--json');
      const { run } = JSON.parse(reached.stdout) as { run: { refused: string[] } };
      assert.ok(
        run.refused.some((host) => host.startsWith('elsewhere.example')),
        reached.stdout,
      );
    });
  }

  test('uv, what lies beside the lock aside', { skip: skipWithout('uv', 'python') }, async (t) => {
    const { app } = await mirrorWorld(t);
    const cwd = await tempDir(t);
    const project = (name: string, more: string): string =>
      `[project]\nname = "${name}"\nversion = "1"\nrequires-python = ">=3.9"\n${more}`;
    await mkdir(join(cwd, 'mine'));
    await writeFile(join(cwd, 'mine', 'pyproject.toml'), project('mine', ''));
    const needs = 'dependencies = ["alpha", "mine"]\n[tool.uv.sources]\nmine = { path = "mine" }\n';
    await writeFile(join(cwd, 'pyproject.toml'), project('shop', needs));
    const python = clientPath('python');
    const locked = await runClient('uv', ['lock', '--python', python, '--default-index', `${app.url}/simple/`], {
      cwd,
    });
    assert.equal(locked.status, 0, locked.output);
    const lock = join(cwd, 'uv.lock');
    const content = await readFile(lock, 'utf8');
    assert.equal((await mirror(app, { name: 'uv.lock', content })).state, 'succeeded');
    const env = {
      ...{ STORMCELLAR_URL: app.url, STORMCELLAR_TOKEN: app.token },
      PATH: `${join(clientPath('uv'), '..')}:${process.env.PATH}`,
    };
    const ran = await runCli(['drill', '-r', lock, '--run', 'uv', '--python', python], env);
    assert.equal(ran.status, 0, ran.stderr);
    assert.match(ran.stderr, /mine lies on the machine that made the lock/);
  });
});
