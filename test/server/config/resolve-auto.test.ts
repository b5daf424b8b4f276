import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { resolveAuto } from '../../../server/config/resolve-auto.ts';
import { type Config, configSchema } from '../../../server/config/schema.ts';

// Any file that can be read.
const corp = fileURLToPath(import.meta.url);
const quiet = { files: [], run: async () => undefined };

function upstream(config: Config) {
  const { pypi } = config.repositories;
  assert.ok(pypi?.kind === 'upstream');
  return pypi;
}

test('auto becomes the index of pip, and says where it was found', async () => {
  const env = { PIP_INDEX_URL: 'https://me:secret@pip.example/simple', PIP_CERT: corp };
  const { config, warnings } = await resolveAuto(configSchema.parse({}), env, quiet);
  const { url, urlFrom, username, password, caFile, proxy } = upstream(config);
  assert.deepEqual([url, urlFrom], ['https://pip.example/simple/', 'The environment variable PIP_INDEX_URL']);
  assert.deepEqual([username, password, caFile, proxy], ['me', 'secret', corp, 'environment']);
  assert.deepEqual(warnings, []);
  assert.deepEqual(config.repositories.local, { kind: 'hosted' });
});

test('certificates of pip that cannot be read are passed over with a word', async () => {
  for (const [PIP_CERT, code] of [
    ['/absent.pem', 'ENOENT'],
    [dirname(corp), 'EISDIR'],
  ] as const) {
    const env = { PIP_INDEX_URL: 'https://pip.example/simple', PIP_CERT };
    const { config, warnings } = await resolveAuto(configSchema.parse({}), env, quiet);
    const { url, caFile } = upstream(config);
    assert.deepEqual([url, caFile], ['https://pip.example/simple/', null]);
    assert.match(warnings.join(), new RegExp(`trust, ${PIP_CERT}, are no readable file \\(${code}\\)`));
  }
});

test('what the configuration says wins over what pip is told', async () => {
  const pypi = { kind: 'upstream', username: 'us', password: 'ours', caFile: '/ours.pem', proxy: 'none' };
  const given = configSchema.parse({ repositories: { local: { kind: 'hosted' }, pypi } });
  const env = { PIP_INDEX_URL: 'https://me:secret@pip.example/', PIP_CERT: corp, PIP_PROXY: 'proxy.example:1' };
  const { username, password, caFile, proxy } = upstream((await resolveAuto(given, env, quiet)).config);
  assert.deepEqual([username, password, caFile, proxy], ['us', 'ours', '/ours.pem', 'none']);
});

test('an address that is given is left alone, and nobody is asked', async () => {
  const pypi = { kind: 'upstream', url: 'https://index.example/simple/' };
  const given = configSchema.parse({ repositories: { local: { kind: 'hosted' }, pypi } });
  const run = async () => assert.fail('asked pip');
  assert.deepEqual(await resolveAuto(given, { PIP_INDEX_URL: 'https://pip.example/' }, { files: [], run }), {
    config: given,
    warnings: [],
  });
});

test('when nothing is found the upstream stays without address, with advice', async () => {
  const { config, warnings } = await resolveAuto(configSchema.parse({}), {}, quiet);
  assert.equal(upstream(config).url, 'auto');
  assert.match(warnings.join(), /set "url" of the upstream/);
});

test('our own addresses are not taken for an upstream', async () => {
  const own: readonly [string, object][] = [
    ['http://localhost:8085/simple/', {}],
    ['http://127.0.0.1:8085/index/main/simple/', {}],
    ['http://[::1]:8085/simple/', {}],
    ['http://10.1.2.3:8085/simple/', { listen: { host: '10.1.2.3' } }],
    ['https://cellar.example/simple/', { publicUrl: 'https://cellar.example' }],
    ['http://cellar.example/x/simple/', { publicUrl: 'http://cellar.example/x' }],
  ];
  for (const [address, settings] of own) {
    const { config } = await resolveAuto(configSchema.parse(settings), { PIP_INDEX_URL: address }, quiet);
    assert.equal(upstream(config).url, 'auto', address);
  }
  const others: readonly [string, object][] = [
    ['http://127.0.0.1:8086/simple/', {}],
    ['http://10.1.2.3:8085/simple/', {}],
    ['http://127.0.0.1:8085/simple/', { listen: { port: 0 } }],
    ['https://index.example/simple/', { publicUrl: 'https://cellar.example' }],
  ];
  for (const [address, settings] of others) {
    const { config } = await resolveAuto(configSchema.parse(settings), { PIP_INDEX_URL: address }, quiet);
    assert.equal(upstream(config).url, address);
  }
});
