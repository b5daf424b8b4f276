import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, copyFile, mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildByHand, type Stage } from '../support/dockerfile.ts';
import { freePort } from '../support/free-port.ts';
import { multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { ADMIN_TOKEN } from '../support/test-config.ts';
import { makeWheel } from '../support/wheel.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const isRoot = process.getuid?.() === 0;

describe('the image', () => {
  it('is built by its steps, and serves as a user who can write nothing but /data', async (t) => {
    const { dir, remove } = await makeTempDir();
    t.after(async () => {
      await promisify(execFile)('chmod', ['-R', 'u+w', dir]);
      await remove();
    });
    // A folder of our own is closed to the user that the image runs as.
    await chmod(dir, 0o755);
    const ran: string[] = [];
    const stages = await buildByHand({
      dockerfile: join(root, 'Dockerfile'),
      context: root,
      dir,
      base: (stage) => withNode(stage),
      command: (command, stage) => {
        ran.push(`${stage.name}: ${command}`);
        if (/^apt-get |^install /.test(command)) return undefined;
        if (command === 'npm ci') return `ln -s ${root}node_modules node_modules`;
        // What the tests were installed with is in npm's cache.
        return command.replace(/^npm ci\b/, 'npm ci --offline --no-audit --no-fund');
      },
    });
    const image = stages.at(-1);
    assert.ok(image);
    assert.ok(ran.includes('dependencies: npm ci --omit=dev') && ran.includes('build: npm run build'));
    await checkTree(image);

    const data = join(image.root, 'data');
    await mkdir(data);
    const [uid = 0, gid = 0] = (image.user ?? '').split(':').map(Number);
    assert.ok(uid > 0 && gid > 0, 'the image has a user of its own');
    if (isRoot) await chown(data, uid, gid);
    await promisify(execFile)('chmod', ['-R', 'a-w', join(image.root, 'app')]);

    const port = await freePort();
    const env = {
      ...image.env,
      PATH: '/usr/bin:/bin',
      HOME: '/nonexistent',
      STORMCELLAR_ADMIN_TOKEN: ADMIN_TOKEN,
      STORMCELLAR_LISTEN__PORT: String(port),
      STORMCELLAR_LISTEN__HOST: '127.0.0.1',
      STORMCELLAR_DATA_DIR: data,
      TMPDIR: data,
      // No upstream: nothing on this machine is to be asked.
      STORMCELLAR_REPOSITORIES__PYPI__URL: 'http://127.0.0.1:9/simple/',
    };
    const run = (words: readonly string[]): ChildProcess => runIn(image, words, { env, uid, gid });
    const healthcheck = image.healthcheck ?? [];
    assert.deepEqual(await ended(run(healthcheck)), [1, null], 'not healthy before it serves');
    const server = run([...image.entrypoint, ...image.cmd]);
    t.after(async () => {
      server.kill('SIGKILL');
    });
    const url = await serving(server);
    assert.equal(url, `http://127.0.0.1:${port}`);
    assert.deepEqual(await ended(run(healthcheck)), [0, null]);
    const wheel = makeWheel({ name: 'acme', version: '1.0' });
    const body = multipart(partsOf(wheel));
    const headers = { ...multipartHeaders(body), authorization: `Bearer ${ADMIN_TOKEN}` };
    const sent = await fetch(`${url}/legacy/`, { method: 'POST', headers, body });
    assert.equal(sent.status, 200, await sent.text());
    const file = await fetch(`${url}/simple/acme/${wheel.filename}`);
    assert.deepEqual(Buffer.from(await file.arrayBuffer()), wheel.bytes);
    assert.equal((await fetch(`${url}/`)).status, 200);
    server.kill('SIGTERM');
    assert.deepEqual(await ended(server), [0, null]);
  });
});

/** Nothing is in it that fetches or builds, or that was of use to those alone who made it. */
async function checkTree(image: Stage): Promise<void> {
  const app = await readdir(join(image.root, 'app'));
  assert.deepEqual(app.sort(), ['LICENSE', 'bin', 'config.example.json', 'dist', 'node_modules', 'package.json']);
  const packages = await readdir(join(image.root, 'app', 'node_modules'));
  for (const name of ['npm', 'typescript', 'esbuild', '@biomejs', 'playwright-core', 'yaml'])
    assert.ok(!packages.includes(name), name);
  const built = await readdir(join(image.root, 'app', 'dist'), { recursive: true });
  for (const path of ['program/server.cjs', 'program/server.cjs.bytecode', 'migrations/0001_projects.sql'])
    assert.ok(built.includes(path), path);
  assert.deepEqual(
    built.filter((path) => path.endsWith('.ts')),
    [],
  );
  assert.match(image.from, /^debian:/);
  assert.deepEqual([image.volumes, image.exposed], [['/data'], [image.env.STORMCELLAR_LISTEN__PORT]]);
  assert.equal(image.env.STORMCELLAR_DATA_DIR, '/data');
}

/** What the images of Node have that later stages take. */
async function withNode(stage: Stage): Promise<void> {
  if (!stage.from.startsWith('node:')) return;
  assert.match(stage.from, /^node:24-/);
  const bin = join(stage.root, 'usr', 'local', 'bin');
  await mkdir(bin, { recursive: true });
  await copyFile(process.execPath, join(bin, 'node'));
  await symlink('node', join(bin, 'nodejs'));
}

function runIn(
  image: Stage,
  words: readonly string[],
  { env, uid, gid }: { readonly env: NodeJS.ProcessEnv; readonly uid: number; readonly gid: number },
): ChildProcess {
  const [program = '', ...args] = words;
  assert.equal(program, 'node');
  return spawn(join(image.root, 'usr', 'local', 'bin', 'node'), args, {
    cwd: join(image.root, image.workdir),
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    ...(isRoot ? { uid, gid } : {}),
  });
}

function serving(server: ChildProcess): Promise<string> {
  let output = '';
  return new Promise((resolve, reject) => {
    server.stdout?.on('data', (text: Buffer) => {
      output += String(text);
      const url = /^Stormcellar serves (\S+?)\/simple\/$/m.exec(output)?.[1];
      if (url !== undefined) resolve(url);
    });
    server.once('exit', () => reject(new Error(`the image does not serve:\n${output}`)));
  });
}

async function ended(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
  if (child.exitCode !== null) return [child.exitCode, null];
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  return [code, signal];
}
