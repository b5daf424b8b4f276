import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../bin/stormcellar.mjs', import.meta.url));

function run(args: readonly string[], env: Record<string, string> = {}) {
  const { PATH = '', NODE_OPTIONS = '' } = process.env;
  const options = { encoding: 'utf8' as const, env: { PATH, NODE_OPTIONS, STORMCELLAR_TEST_SOURCES: '1', ...env } };
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], options);
  return { status, stdout, stderr };
}

test('help and version are exit code 0, on standard output', () => {
  for (const args of [['--help'], ['serve', '--help'], ['config', 'check', '--help']]) {
    const { status, stdout, stderr } = run(args);
    assert.deepEqual([status, stderr], [0, ''], args.join(' '));
    assert.match(stdout, /Usage: stormcellar/);
  }
  assert.match(run(['--version']).stdout, /^\d+\.\d+\.\d+/);
});

test('wrong usage is exit code 2, with a word on standard error', () => {
  for (const args of [[], ['frobnicate'], ['serve', '--frob'], ['config'], ['config', 'check', 'a', 'b']]) {
    const { status, stdout, stderr } = run(args);
    assert.deepEqual([status, stdout], [2, ''], args.join(' '));
    assert.notEqual(stderr, '');
  }
});

test('a configuration that is wrong is exit code 2 with every complaint, for serve as for config check', () => {
  const env = { STORMCELLAR_LISTEN__PORT: 'x', STORMCELLAR_NONSENSE: '1' };
  for (const args of [['serve'], ['config', 'check'], ['config', 'check', '/absent/config.json']]) {
    const { status, stdout, stderr } = run(args, args.length === 3 ? {} : env);
    assert.deepEqual([status, stdout], [2, ''], args.join(' '));
    assert.equal(stderr.trimEnd().split('\n').length, args.length === 3 ? 1 : 2);
  }
});

test('the example configuration is in order', () => {
  const example = fileURLToPath(new URL('../../config.example.json', import.meta.url));
  assert.deepEqual(run(['config', 'check', example]), {
    status: 0,
    stdout: 'The configuration is in order.\n',
    stderr: '',
  });
});

test('whoever has read enough is not told of a fault', async () => {
  const { PATH = '', NODE_OPTIONS = '' } = process.env;
  const env = { PATH, NODE_OPTIONS, STORMCELLAR_TEST_SOURCES: '1' };
  const child = spawn(process.execPath, [program, '--help'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  const [complaint, [status]] = await Promise.all([text(child.stderr), once(child, 'close')]);
  assert.deepEqual([status, complaint], [0, '']);
});
