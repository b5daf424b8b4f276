import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cp, mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { clientPath, runClient, skipWithout } from '../support/clients.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { freePort } from '../support/free-port.ts';
import { makeTempDir, tempDir } from '../support/temp-dir.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { skipWithoutWheels, wheelhouse } from '../support/wheelhouse.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/flask-app', import.meta.url));

interface Outcome {
  readonly status: number | null;
  readonly output: string;
}

/** Runs a script of the example with nothing of this process's environment but the path. */
async function script(path: string, env: Readonly<Record<string, string>>, home: string): Promise<Outcome> {
  const child = spawn('bash', [path], {
    env: { PATH: process.env.PATH ?? '', HOME: home, LC_ALL: 'C.UTF-8', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [out, err, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { status, output: `${out}\n${err}` };
}

/** Ends the master and its workers; resolves when the last of them has let go of its port. */
async function stopGunicorn(pidFile: string, port: number): Promise<void> {
  const pid = await readFile(pidFile, 'utf8').catch(() => undefined);
  if (pid === undefined) return;
  // A reset is as good an end as another.
  const connection = connect(port, '127.0.0.1').on('error', () => {});
  const closed = new Promise((resolve) => connection.once('close', resolve).resume());
  process.kill(Number(pid), 'SIGQUIT');
  await closed;
}

/** The server that is deployed to: a folder, and gunicorn on a port of its own, which ends with the test. */
async function target(t: TestContext, app: TestApp) {
  const { dir: home, remove } = await makeTempDir();
  const base = join(home, 'srv');
  await mkdir(base);
  const port = await freePort();
  t.after(async () => {
    await stopGunicorn(join(base, 'gunicorn.pid'), port);
    await remove();
  });
  const health = `http://127.0.0.1:${port}/health`;
  const env = {
    STORMCELLAR_URL: app.url,
    STORMCELLAR_TOKEN: app.token,
    BASE: base,
    RESTART: join(EXAMPLE, 'deploy', 'restart-gunicorn.sh'),
    BIND: `127.0.0.1:${port}`,
    PYTHON: clientPath('python'),
    HEALTH_URL: health,
    HEALTH_SECONDS: '15',
  };
  return {
    base,
    env,
    deploy: () => script(join(EXAMPLE, 'deploy', 'deploy.sh'), env, home),
    running: async () => ((await (await fetch(health)).json()) as { version: string }).version,
    current: async () => basename(await readlink(join(base, 'current'))),
  };
}

/** Runs the playbook against this machine, with nothing put anywhere but below the target's folder. */
async function playbook(t: TestContext, { base, env }: Awaited<ReturnType<typeof target>>) {
  const cwd = await tempDir(t);
  const { STORMCELLAR_URL, STORMCELLAR_TOKEN, ...environment } = env;
  const host = { ansible_connection: 'local', ansible_python_interpreter: '{{ ansible_playbook_python }}' };
  const vars = {
    stormcellar_url: STORMCELLAR_URL,
    stormcellar_token: STORMCELLAR_TOKEN,
    hello_script: join(base, 'deploy-hello'),
    hello_unit: '',
    hello_environment: environment,
  };
  const inventory = { app_servers: { hosts: { here: host }, vars } };
  await writeFile(join(cwd, 'inventory.json'), JSON.stringify(inventory));
  const file = join(EXAMPLE, 'deploy', 'ansible', 'deploy.yml');
  return (...args: readonly string[]) =>
    runClient('ansible-playbook', ['-i', 'inventory.json', file, ...args], { cwd });
}

async function json(response: Promise<Response>): Promise<Record<string, unknown>> {
  return (await (await response).json()) as Record<string, unknown>;
}

const skip = skipWithout('python') || skipWithoutWheels();

test('the example is built, deployed and, when it is sick, rolled back by itself, with the upstream cut off', {
  skip,
}, async (t) => {
  const upstream = await fakeUpstream(t);
  for (const wheel of await wheelhouse()) upstream.project(wheel.name.replace(/[-_.]+/g, '-').toLowerCase()).add(wheel);
  const app = await testApp(t, { upstream: upstream.url, config: { channels: { production: { after: 'staging' } } } });
  const home = await tempDir(t);
  const checkout = join(home, 'flask-app');
  await cp(EXAMPLE, checkout, { recursive: true, filter: (path) => !/\/(?:\.venv|vendors|dist)$/.test(path) });
  const build = async (version: string) => {
    await writeFile(join(checkout, 'VERSION'), `${version}\n`);
    const env = {
      STORMCELLAR_URL: app.url,
      STORMCELLAR_TOKEN: app.token,
      PYTHON: clientPath('python'),
      COMMIT: version,
    };
    const built = await script(join(checkout, 'ci', 'build.sh'), env, home);
    assert.equal(built.status, 0, built.output);
  };
  const promote = async (version: string) => {
    const body = JSON.stringify({ version });
    const moved = await app.admin('/bundles/hello/channels/production', { method: 'PUT', body });
    assert.equal(moved.status, 200, await moved.text());
  };

  await build('0.1');
  const pushed = await json(app.get('/bundles/hello/0.1'));
  assert.deepEqual([pushed.channels, pushed.commit], [['staging'], '0.1']);
  const inside = (pushed.contents as { name: string }[]).map(({ name }) => name);
  for (const name of ['flask', 'gunicorn', 'markupsafe', 'werkzeug']) assert.ok(inside.includes(name), name);
  const { notInLock, notInBundle, differs } = pushed.lock as Record<string, unknown>;
  assert.deepEqual([notInLock, notInBundle, differs], [[], [], []]);
  // Sick on the server only: tests and build go well.
  const source = await readFile(join(checkout, 'hello', 'app.py'), 'utf8');
  const sick = 'import sys\n\nif sys.argv[0].endswith("run.py"):\n    raise RuntimeError("works in CI")\n';
  await writeFile(join(checkout, 'hello', 'app.py'), `${source}\n${sick}`);
  await build('0.2');

  await upstream.refuse();
  const server = await target(t, app);
  await promote('0.1');
  const first = await server.deploy();
  assert.equal(first.status, 0, first.output);
  assert.match(first.output, /hello 0\.1 is up\n/);
  assert.equal(await server.running(), '0.1');
  assert.match((await server.deploy()).output, /hello 0\.1 is up already/);

  await promote('0.2');
  const second = await server.deploy();
  assert.equal(second.status, 1, second.output);
  assert.match(second.output, /hello 0\.2 does not become healthy/);
  assert.match(second.output, /hello 0\.1 is up again/);
  assert.match(second.output, /production is rolled back/);
  assert.equal(await server.running(), '0.1');
  assert.match(await server.current(), /^0\.1-[0-9a-f]{12}$/);
  assert.equal((await json(app.get('/bundles/hello/@production'))).version, '0.1');
  const { moves } = await json(app.get('/bundles/hello/channels/production/history'));
  const last = (moves as { kind: string; why: string }[]).at(-1);
  assert.equal(last?.kind, 'rollback');
  assert.match(last.why, /^not healthy on /);
  assert.deepEqual(await readdir(join(server.base, 'incoming')), []);

  await t.test('through Ansible too', { skip: skipWithout('ansible-playbook') }, async (t) => {
    const another = await target(t, app);
    const play = await playbook(t, another);
    const deployed = await play();
    assert.equal(deployed.status, 0, deployed.output);
    assert.match(deployed.output, /here +: ok=2 +changed=2 +unreachable=0 +failed=0 +skipped=2 /);
    assert.equal(await another.running(), '0.1');
    const again = await play();
    assert.match(again.output, /here +: ok=2 +changed=0 +unreachable=0 +failed=0 /);
    const failed = await play('-e', 'hello_channel=nowhere');
    assert.equal(failed.status, 2, failed.output);
    assert.equal(await another.running(), '0.1');
  });
});
