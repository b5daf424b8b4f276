import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { once } from 'node:events';
import { cp, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makeBundle } from '../support/bundle.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { ADMIN_TOKEN, testSettings } from '../support/test-config.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const COPIED = ['bin', 'cli', 'migrations', 'package.json', 'scripts', 'server', 'storage', 'tsconfig.json'];

// Tells which built files are loaded and from what, and at the end which packages were read from node_modules.
const WATCH = `
  import vm from 'node:vm';
  import { Module } from 'node:module';
  import { basename } from 'node:path';
  const { Script } = vm;
  vm.Script = class extends Script {
    constructor(code, options) {
      super(code, options);
      const how = options.cachedData && !this.cachedDataRejected ? 'bytecode' : 'text';
      process.stderr.write('loaded ' + basename(options.filename) + ' from ' + how + '\\n');
    }
  };
  process.on('exit', () => {
    const names = Object.keys(Module._cache).map((path) => /.*node_modules.((?:@[^/]+.)?[^/]+)/.exec(path)?.[1]);
    for (const name of new Set(names)) if (name !== undefined) process.stderr.write('package ' + name + '\\n');
  });`;
const WATCHED = `--import=data:text/javascript,${encodeURIComponent(WATCH)}`;

const { PATH = '' } = process.env;
const { FLAGS } = (await import(join(root, 'bin', 'start-anew.mjs'))) as { readonly FLAGS: readonly string[] };

describe('the built program', () => {
  let dir = '';
  let remove = async (): Promise<void> => {};
  before(async () => {
    ({ dir, remove } = await makeTempDir());
    for (const name of COPIED) await cp(join(root, name), join(dir, name), { recursive: true });
    await symlink(join(root, 'node_modules'), join(dir, 'node_modules'));
    const { stderr } = await promisify(execFile)(process.execPath, [join(dir, 'scripts', 'build.mjs')], {
      env: { PATH },
    });
    assert.equal(stderr, '');
  });
  after(() => remove());

  const run = (args: readonly string[]) =>
    promisify(execFile)(process.execPath, [...args], { env: { PATH, NODE_OPTIONS: WATCHED } });
  const program = (...args: readonly string[]) => run([join(dir, 'bin', 'stormcellar.mjs'), ...args]);

  const configFile = async (): Promise<string> => {
    const file = join(dir, 'config.json');
    await writeFile(file, JSON.stringify(testSettings(join(dir, 'data'), {})));
    return file;
  };

  it('serves from its bytecode, with its threads, and reads no package but the one with machine code', async () => {
    const server = spawn(
      process.execPath,
      [join(dir, 'bin', 'stormcellar.mjs'), 'serve', '--config', await configFile()],
      {
        env: { PATH, NODE_OPTIONS: WATCHED, STORMCELLAR_ADMIN_TOKEN: ADMIN_TOKEN },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const complaint = text(server.stderr);
    const url = await greeted(server);
    // More than a spool keeps to itself, and than an archive is read at once.
    const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(6_000_000));
    const { filename, bytes } = makeBundle('app', '1.0', { acme: '2.0' }, { noise });
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    const sent = await fetch(`${url}/bundles/app/1.0/${filename}`, { method: 'PUT', headers, body: bytes });
    assert.equal(sent.status, 201, await sent.clone().text());
    assert.match(await sent.text(), /"acme"/);
    server.kill('SIGTERM');
    await once(server, 'exit');
    assert.deepEqual((await complaint).trimEnd().split('\n'), [
      'loaded cli.cjs from bytecode',
      'loaded server.cjs from bytecode',
      'package better-sqlite3',
    ]);
  });

  it('loads no server for a command', async () => {
    const { stdout, stderr } = await program('--help');
    assert.match(stdout, /^Usage: stormcellar/);
    // Bytecode is for a server, which has flags of its own.
    assert.equal(stderr, 'loaded cli.cjs from text\n');
  });

  it('has stack traces name the sources', async () => {
    const script = `
      const { checkConfig } = require(${JSON.stringify(join(dir, 'bin', 'load-built.cjs'))}).loadBuilt('server');
      process.stdout.write = () => { throw new Error('the pipe is gone'); };
      checkConfig(${JSON.stringify(await configFile())}).catch((error) => process.stderr.write(error.stack));`;
    const { stderr } = await run(['-e', script]);
    const [, line] =
      /Error: the pipe is gone\n(?: {4}at .*\n)*? {4}at checkConfig \(server\/main\.ts:(\d+)\)/.exec(stderr) ?? [];
    const source = (await readFile(join(root, 'server', 'main.ts'), 'utf8')).split('\n');
    assert.match(source[Number(line) - 1] ?? '', /process\.stdout\.write\('The configuration is in order/, stderr);
  });

  it('does not run the bytecode of other code, though it be of the same length, nor what is damaged', async () => {
    const file = join(dir, 'dist', 'program', 'cli.cjs');
    const help = () => run([...FLAGS, join(dir, 'bin', 'stormcellar.mjs'), '--help']);
    const changes = [
      [file, 'A private Python package index', 'A PRIVATE Python package index'],
      [`${file}.bytecode`, 'commander', 'COMMANDER'],
    ] as const;
    for (const [path, before, after] of changes) {
      const bytes = await readFile(path, 'latin1');
      assert.ok(bytes.includes(before), before);
      await writeFile(path, bytes.replace(before, after), 'latin1');
      try {
        const { stdout, stderr } = await help();
        assert.equal(stderr, 'loaded cli.cjs from text\n');
        assert.match(stdout, path === file ? /A PRIVATE Python/ : /A private Python/);
      } finally {
        await writeFile(path, bytes, 'latin1');
      }
    }
    assert.equal((await help()).stderr, 'loaded cli.cjs from bytecode\n');
  });

  it('is built anew by `npm start`, which leaves no compiler running', async () => {
    const server = spawn(process.execPath, [join(dir, 'scripts', 'start.mjs'), '--config', await configFile()], {
      env: { PATH },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await greeted(server);
      assert.equal(await readFile(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8'), '');
    } finally {
      server.kill('SIGTERM');
    }
    assert.deepEqual(await once(server, 'exit'), [0, null]);
  });

  it('is published with all that it needs, and without what only this Node understands', async () => {
    const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: dir,
    });
    const [{ files = [] } = {}] = JSON.parse(stdout) as { files?: { path: string }[] }[];
    const packed = files.map(({ path }) => path).filter((path) => path.startsWith('dist/'));
    const built = await readdir(join(dir, 'dist'), { recursive: true, withFileTypes: true });
    const wanted = built
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.bytecode'))
      .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1));
    assert.ok(wanted.includes('dist/migrations/0001_projects.sql') && wanted.includes('dist/program/server.cjs'));
    assert.deepEqual(packed.sort(), wanted.sort());
  });
});

/** The address that a server greets with. */
async function greeted(server: ChildProcess): Promise<string> {
  let output = '';
  for await (const piece of server.stdout?.iterator({ destroyOnReturn: false }) ?? []) {
    output += piece;
    const url = /^Stormcellar serves (\S+?)\/simple\/$/m.exec(output)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error(`the program did not serve:\n${output}`);
}
