import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort } from '../support/free-port.ts';
import { tempDir } from '../support/temp-dir.ts';

const program = fileURLToPath(new URL('../../bin/stormcellar.mjs', import.meta.url));

const noFullDevice = existsSync('/dev/full') ? false : 'there is no /dev/full here';

interface Running {
  readonly child: ChildProcess;
  /** Lines that are no log lines, as far as they have come. */
  readonly said: string[];
  readonly complained: string[];
  readonly exited: Promise<number | null>;
  /** Resolves with the address once the server listens. */
  readonly listening: Promise<string>;
}

function start(t: TestContext, cwd: string, env: Record<string, string> = {}): Running {
  const { PATH = '', NODE_OPTIONS = '' } = process.env;
  const settings = {
    STORMCELLAR_TEST_SOURCES: '1',
    STORMCELLAR_LISTEN__PORT: '0',
    STORMCELLAR_REPOSITORIES__PYPI__URL: 'http://127.0.0.1:9/simple/',
  };
  const child = spawn(process.execPath, [program, 'serve'], { cwd, env: { PATH, NODE_OPTIONS, ...settings, ...env } });
  t.after(() => child.kill('SIGKILL'));
  const said: string[] = [];
  const complained: string[] = [];
  const lines = createInterface(child.stdout);
  const listening = new Promise<string>((resolve) => {
    lines.on('line', (line) => {
      if (!line.startsWith('{')) said.push(line);
      const url = /"url":"(http[^"]+)".*"msg":"listening"/.exec(line)?.[1];
      if (url !== undefined) resolve(url);
    });
  });
  createInterface(child.stderr).on('line', (line) => complained.push(line));
  // `close` comes when all output has been read as well.
  return { child, said, complained, listening, exited: once(child, 'close').then(([code]) => code as number | null) };
}

/** Something that takes connections and never answers. */
async function blackHole(t: TestContext): Promise<{ url: string; asked: Promise<unknown> }> {
  const server: Server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const asked = once(server, 'connection').then(([socket]) => t.after(() => socket.destroy()));
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/simple/`, asked };
}

test('it says where it is and how to install, shows the first token once, and stops when told to', async (t) => {
  const cwd = await tempDir(t);
  const first = start(t, cwd);
  const url = await first.listening;
  assert.equal((await fetch(`${url}/livez`)).status, 200);
  first.child.kill('SIGTERM');
  assert.equal(await first.exited, 0);
  const token = await readFile(join(cwd, 'data', 'admin-token'), 'utf8');
  assert.deepEqual(first.said, [
    `Stormcellar serves ${url}/simple/`,
    '',
    `  pip install --index-url ${url}/simple/ NAME`,
    '',
    'Admin token, shown this once and kept in ./data/admin-token:',
    '',
    `  ${token.trim()}`,
    '',
  ]);
  assert.equal((await stat(join(cwd, 'data', 'admin-token'))).mode & 0o777, 0o600);
  assert.deepEqual(first.complained, []);

  const second = start(t, cwd, { STORMCELLAR_PUBLIC_URL: 'http://cellar.example:8080/' });
  await second.listening;
  second.child.kill('SIGINT');
  assert.equal(await second.exited, 0);
  assert.deepEqual(second.said, [
    'Stormcellar serves http://cellar.example:8080/simple/',
    '',
    '  pip install --index-url http://cellar.example:8080/simple/ --trusted-host cellar.example NAME',
    '',
  ]);
});

test('it serves although there is no room for its output, and stops when told to', {
  skip: noFullDevice,
}, async (t) => {
  const output = await open('/dev/full', 'w');
  t.after(() => output.close());
  const { PATH = '', NODE_OPTIONS = '' } = process.env;
  const port = String(await freePort());
  const settings = {
    STORMCELLAR_TEST_SOURCES: '1',
    STORMCELLAR_LISTEN__PORT: port,
    STORMCELLAR_REPOSITORIES__PYPI__URL: 'http://127.0.0.1:9/simple/',
  };
  const child = spawn(process.execPath, [program, 'serve'], {
    cwd: await tempDir(t),
    env: { PATH, NODE_OPTIONS, ...settings },
    stdio: ['ignore', output.fd, 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const answers = () =>
    fetch(`http://127.0.0.1:${port}/livez`).then(
      () => true,
      () => false,
    );
  while (child.exitCode === null && !(await answers()));
  assert.equal(child.exitCode, null);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'close'), [0, null]);
});

test('a second signal ends it at once, one that npm merely passes on does not', async (t) => {
  const upstream = await blackHole(t);
  const server = start(t, await tempDir(t), { STORMCELLAR_REPOSITORIES__PYPI__URL: upstream.url });
  const url = await server.listening;
  const answer = fetch(`${url}/simple/waiting/`).then(
    () => 'answered',
    () => 'cut off',
  );
  await upstream.asked;
  let sent = 0;
  const again = setInterval(() => {
    sent += 1;
    server.child.kill('SIGTERM');
  }, 50);
  t.after(() => clearInterval(again));
  assert.equal(await server.exited, 1);
  assert.equal(await answer, 'cut off');
  assert.ok(sent > 3, `ended by signal ${sent}`);
});

test('told to stop while it waits for its database, it does not go on waiting', async (t) => {
  const database = await blackHole(t);
  const server = start(t, await tempDir(t), {
    STORMCELLAR_CATALOG__KIND: 'postgres',
    STORMCELLAR_CATALOG__URL: database.url.replace('http', 'postgres'),
    STORMCELLAR_CATALOG__CONNECT_TIMEOUT: '1h',
  });
  await database.asked;
  server.child.kill('SIGTERM');
  assert.equal(await server.exited, 0);
  assert.deepEqual(server.complained, []);
});

test('what keeps it from starting is one sentence', async (t) => {
  const taken = await blackHole(t);
  const port = new URL(taken.url).port;
  const cwd = await tempDir(t);
  const busy = start(t, cwd, { STORMCELLAR_LISTEN__PORT: port });
  assert.equal(await busy.exited, 1);
  assert.equal(busy.complained.length, 1);
  assert.match(
    busy.complained[0] ?? '',
    /^Stormcellar cannot serve: Something else listens there already \(.*EADDRINUSE/,
  );

  const elsewhere = start(t, cwd);
  await elsewhere.listening;
  elsewhere.child.kill('SIGTERM');
  assert.equal(await elsewhere.exited, 0);
  assert.match(elsewhere.said.join('\n'), /Admin token, shown this once/, 'the failed start has not used up the token');

  const nowhere = start(t, await tempDir(t), { STORMCELLAR_DATA_DIR: '/dev/null/data' });
  assert.equal(await nowhere.exited, 1);
  assert.equal(nowhere.complained.length, 1);
});
