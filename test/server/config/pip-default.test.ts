import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parsePipConfig, pipConfigFiles } from '../../../server/config/pip-config-file.ts';
import { findPipIndex, type PipQuestion } from '../../../server/config/pip-default.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pip-'));
});
after(() => rm(folder, { recursive: true }));

const HELP = `
Package Index Options:
  -i, --index-url <url>       Base URL of the Python Package Index (default https://built-in.example/simple). This
                              should point to a repository compliant with PEP 503.
  --extra-index-url <url>     Extra URLs of package indexes.
`;

const nothing = async () => undefined;

function ask(parts: Partial<PipQuestion>) {
  return findPipIndex({
    env: {},
    home: folder,
    platform: 'linux',
    files: [],
    isOwn: () => false,
    run: nothing,
    ...parts,
  });
}

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

test('the environment comes first, in the order that the contract names', async () => {
  const env = {
    PIP_INDEX_URL: 'https://pip.example/simple',
    UV_DEFAULT_INDEX: 'corp=https://uv.example/simple',
    UV_INDEX_URL: 'https://old-uv.example/simple',
  };
  const urls: (string | undefined)[] = [];
  for (const names of [
    ['PIP_INDEX_URL', 'UV_DEFAULT_INDEX', 'UV_INDEX_URL'],
    ['UV_DEFAULT_INDEX', 'UV_INDEX_URL'],
    ['UV_INDEX_URL'],
  ]) {
    const chosen = Object.fromEntries(Object.entries(env).filter(([name]) => names.includes(name)));
    urls.push((await ask({ env: chosen })).index?.url);
  }
  assert.deepEqual(urls, [
    'https://pip.example/simple/',
    'https://uv.example/simple/',
    'https://old-uv.example/simple/',
  ]);
});

test('credentials in the address are taken out of it', async () => {
  const { index } = await ask({ env: { PIP_INDEX_URL: 'https://me:s%40crt@pip.example/simple' } });
  assert.deepEqual([index?.url, index?.username, index?.password], ['https://pip.example/simple/', 'me', 's@crt']);
});

test('a later file wins over an earlier one, the install section over the global one', async () => {
  const first = await file(
    'a.conf',
    '[global]\nindex-url = https://a.example/\n[install]\nindex-url = https://i.example/\n',
  );
  const second = await file(
    'b.conf',
    '[global]\nindex_url: https://b.example/\ncert = /etc/corp.pem\nproxy = proxy.example:3128\n',
  );
  const { index } = await ask({ files: [first, second, join(folder, 'absent.conf')] });
  assert.equal(index?.url, 'https://i.example/');
  assert.equal(index?.from, `pip’s configuration file ${first}`);
  assert.deepEqual([index?.caFile, index?.proxy], ['/etc/corp.pem', 'http://proxy.example:3128']);
  const alone = await ask({ files: [second] });
  assert.equal(alone.index?.url, 'https://b.example/');
});

test('with nothing told, the default that the help states is used, by the first pip that answers', async () => {
  const ran: string[] = [];
  const { index } = await ask({
    env: { PIP_CERT: '/etc/corp.pem', PATH: '/bin' },
    run: async (command, args, env) => {
      ran.push([command, ...args].join(' '));
      assert.deepEqual([env.PIP_CONFIG_FILE, env.PIP_CERT, env.PATH], ['/dev/null', undefined, '/bin']);
      return command === 'python3' ? HELP : undefined;
    },
  });
  assert.equal(index?.url, 'https://built-in.example/simple/');
  assert.equal(index?.caFile, '/etc/corp.pem');
  assert.deepEqual(ran, ['pip install --help', 'pip3 install --help', 'python3 -m pip install --help']);
});

test('our own address and what is no http(s) address are passed over with a word', async () => {
  const own = await file('own.conf', '[global]\nindex-url = http://127.0.0.1:8085/simple/\n');
  const { index, warnings } = await ask({
    env: { PIP_INDEX_URL: 'file:///srv/wheels' },
    files: [own],
    isOwn: (url) => url.port === '8085',
    run: async () => HELP,
  });
  assert.equal(index?.url, 'https://built-in.example/simple/');
  assert.deepEqual(warnings, [
    'The environment variable PIP_INDEX_URL names an index that is no http(s) address; it is passed over.',
    `pip’s configuration file ${own} points at this server itself; it is passed over.`,
  ]);
});

test('when nothing is found, that is no failure', async () => {
  assert.deepEqual(await ask({}), { warnings: [] });
  assert.deepEqual(await ask({ run: async () => 'no such option: --help' }), { warnings: [] });
});

test('a command that cannot be run or hangs is no failure', async () => {
  const { run: _, ...real } = { home: folder, platform: 'linux', files: [], isOwn: () => false, run: undefined };
  assert.deepEqual(await findPipIndex({ ...real, env: { PATH: folder } }), { warnings: [] });
});

test('a configuration file is read as pip reads it', () => {
  const text = [
    '\uFEFF# comment',
    '[global]',
    'Index_URL = https://a.example/simple  ',
    '; another',
    'extra-index-url =',
    '    https://b.example/',
    '',
    '    https://c.example/',
    'timeout: 60',
    'flag',
    '[install]',
    '--cert=/x=y',
  ].join('\r\n');
  assert.deepEqual(Object.fromEntries(parsePipConfig(text)), {
    'global.index-url': 'https://a.example/simple',
    'global.extra-index-url': 'https://b.example/\nhttps://c.example/',
    'global.timeout': '60',
    'install.cert': '/x=y',
  });
});

test('the files are those that pip reads, in its order', () => {
  const env = { XDG_CONFIG_DIRS: '/x:/y', VIRTUAL_ENV: '/venv', PIP_CONFIG_FILE: '/own.conf' };
  assert.deepEqual(pipConfigFiles({ env, home: '/home/me', platform: 'linux' }), [
    '/y/pip/pip.conf',
    '/x/pip/pip.conf',
    '/etc/pip.conf',
    '/home/me/.pip/pip.conf',
    '/home/me/.config/pip/pip.conf',
    '/venv/pip.conf',
    '/own.conf',
  ]);
  assert.equal(pipConfigFiles({ env: {}, home: '/Users/me', platform: 'darwin' }).length, 5);
  assert.deepEqual(pipConfigFiles({ env: { PIP_CONFIG_FILE: '/dev/null' }, home: '/', platform: 'linux' }), []);
});
