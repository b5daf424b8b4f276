import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { Yaml } from '../support/deploy-files.ts';
import { skipOrFail } from '../support/skip.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type TestApp, testApp } from '../support/test-app.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/flask-app/', import.meta.url));

async function yaml(path: string): Promise<Yaml> {
  return new Yaml(parse(await readFile(join(EXAMPLE, path), 'utf8'), { uniqueKeys: true, strict: true }));
}

/** A script of a workflow and the variables that it is given there. */
interface Step {
  readonly shell: readonly string[];
  readonly script: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Runs it where `VERSION` is 2, with nothing but what the step is given. A variable that nobody sets fails. */
async function run(t: TestContext, { shell: [command = '', ...args], script, env }: Step): Promise<string> {
  const cwd = await tempDir(t);
  await writeFile(join(cwd, 'VERSION'), '2\n');
  const { PATH = '' } = process.env;
  const child = spawn(command, [...args, '-u', '-c', script], { cwd, env: { PATH, ...env } });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [out, err, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  assert.equal(status, 0, `${script}\n${out}\n${err}`);
  return out;
}

/** A server with version 1 in production, 2 in staging. */
async function staged(t: TestContext): Promise<TestApp> {
  const app = await testApp(t, { config: { channels: { production: { after: 'staging' } } } });
  for (const version of ['1', '2']) {
    const path = `/bundles/hello/${version}/hello-${version}.bin?channel=staging`;
    assert.equal((await app.admin(path, { method: 'PUT', body: version })).status, 201);
    if (version === '1') {
      const body = JSON.stringify({ version });
      assert.equal((await app.admin('/bundles/hello/channels/production', { method: 'PUT', body })).status, 200);
    }
  }
  return app;
}

async function isPromoted(app: TestApp, why: string): Promise<void> {
  const history = await (await app.get('/bundles/hello/channels/production/history')).json();
  const { to, why: told } = (history as { moves: { to: string; why: string }[] }).moves.at(-1) ?? {};
  assert.deepEqual([to, told], ['2', why]);
}

async function isRunnable(path: string): Promise<void> {
  assert.equal((await stat(join(EXAMPLE, path))).mode & 0o111, 0o111, path);
}

/** What a CI system puts in the place of its expressions; of one that is not known here there is nothing. */
function filledIn(env: Yaml, known: Readonly<Record<string, string>>): Record<string, string> {
  const fill = (value: string) =>
    value.replace(/\$\{\{ ([^}]+) \}\}/g, (_, name: string) => known[name] ?? assert.fail(name));
  return Object.fromEntries(env.keys.map((name) => [name, fill(env.at(name).text)]));
}

test('the workflows of GitHub Actions run the build, and promote what staging points to', {
  skip: skipOrFail(spawnSync('jq', ['--version']).error ? 'jq not installed' : undefined),
}, async (t) => {
  const app = await staged(t);
  const known = {
    'vars.STORMCELLAR_URL': app.url,
    'secrets.STORMCELLAR_TOKEN': app.token,
    'github.sha': 'abc',
    'github.server_url': 'https://forge.example',
    'github.repository': 'a/hello',
    'github.run_id': '7',
    'inputs.why': 'it’s "ticket" 42 $(false)',
  };
  const [build] = (await yaml('.github/workflows/ci.yml')).at('jobs', 'build', 'steps').list.slice(-1);
  assert.ok(build);
  await isRunnable(build.at('run').text);
  const { BUILD_URL, ...rest } = filledIn(build.at('env'), known);
  assert.equal(BUILD_URL, 'https://forge.example/a/hello/actions/runs/7');
  assert.deepEqual(rest, { STORMCELLAR_URL: app.url, STORMCELLAR_TOKEN: app.token, COMMIT: 'abc' });
  const [promote] = (await yaml('.github/workflows/promote.yml')).at('jobs', 'promote', 'steps').list;
  assert.ok(promote);
  const step = { script: promote.at('run').text, env: filledIn(promote.at('env'), known) };
  await run(t, { shell: ['bash', '-e'], ...step });
  await isPromoted(app, known['inputs.why']);
});

test('the pipeline of GitLab runs the build, and promotes the version of the commit', async (t) => {
  const app = await staged(t);
  const pipeline = await yaml('.gitlab-ci.yml');
  for (const name of ['build', 'promote']) {
    const stages = pipeline.at('stages').list.map((stage) => stage.text);
    assert.ok(stages.includes(pipeline.at(name, 'stage').text), name);
  }
  const scripts = (name: string) => pipeline.at(name, 'script').list.map((line) => line.text);
  for (const script of scripts('build')) await isRunnable(script);
  const env = { STORMCELLAR_URL: app.url, STORMCELLAR_TOKEN: app.token, CI_PIPELINE_URL: 'https://forge.example/p/7' };
  await run(t, { shell: ['bash', '-e'], script: scripts('promote').join('\n'), env });
  await isPromoted(app, env.CI_PIPELINE_URL);
});

test('the Jenkinsfile runs the build, and promotes the version of the commit', async (t) => {
  const app = await staged(t);
  const file = await readFile(join(EXAMPLE, 'Jenkinsfile'), 'utf8');
  const [build = '', promote = ''] = [...file.matchAll(/\bsh (?:'''(.*?)'''|'([^'\n]*)')/gs)].map(
    // Of what a backslash says in such a text only this is used there.
    ([, long, short]) => (long ?? short ?? '').replace(/\\(.)/g, (pair, one: string) => (one === '\\' ? one : pair)),
  );
  await isRunnable(build);
  const env = { STORMCELLAR_URL: app.url, STORMCELLAR_TOKEN: app.token, BUILD_URL: 'https://jenkins.example/7' };
  await run(t, { shell: ['sh', '-x', '-e'], script: promote, env });
  await isPromoted(app, env.BUILD_URL);
});
