import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../../../server/config/complaints.ts';
import { loadConfig } from '../../../server/config/load.ts';
import { variableOf } from '../../../server/config/overrides.ts';

async function complaints(env: Record<string, string>): Promise<string[]> {
  const error = await loadConfig({ env }).then(
    () => assert.fail('nothing was wrong'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ConfigError);
  return error.message.split('\n');
}

test('any scalar comes from the environment, in whatever case and with or without underscores', async () => {
  const config = await loadConfig({
    env: {
      STORMCELLAR_LISTEN__PORT: '9000',
      STORMCELLAR_PUBLIC_URL: 'https://cellar.example/',
      STORMCELLAR_DATADIR: '/srv/cellar',
      STORMCELLAR_LIMITS__UPLOAD_BYTES: '5MiB',
      STORMCELLAR_LIMITS__MINFREEBYTES: '4096',
      STORMCELLAR_UPLOADS__ZIP_SDISTS: 'false',
      STORMCELLAR_NOTIFY__URL: 'null',
      STORMCELLAR_ACCESS__ANONYMOUS: '',
      STORMCELLAR_TRUST_PROXY: '127.0.0.1,10.0.0.0/8',
    },
  });
  assert.equal(config.listen.port, 9000);
  assert.equal(config.publicUrl, 'https://cellar.example');
  assert.equal(config.dataDir, '/srv/cellar');
  assert.equal(config.limits.uploadBytes, 5 * 2 ** 20);
  assert.equal(config.limits.minFreeBytes, 4096);
  assert.equal(config.uploads.zipSdists, false);
  assert.equal(config.notify.url, null);
  assert.deepEqual(config.access.anonymous, []);
  assert.deepEqual(config.trustProxy, ['127.0.0.1', '10.0.0.0/8']);
});

test('a key of a default repository is set without losing the rest', async () => {
  const config = await loadConfig({
    env: {
      STORMCELLAR_REPOSITORIES__PYPI__URL: 'http://127.0.0.1:9/simple/',
      STORMCELLAR_REPOSITORIES__PYPI__FRESH_FOR: '1s',
      STORMCELLAR_INDEXES__MAIN__PRIVATE: 'acme-*,tools',
    },
  });
  const { local, pypi } = config.repositories;
  assert.equal(local?.kind, 'hosted');
  assert.ok(pypi?.kind === 'upstream');
  assert.deepEqual([pypi.url, pypi.freshFor], ['http://127.0.0.1:9/simple/', 1000]);
  assert.deepEqual(config.indexes.main, { repositories: ['local', 'pypi'], private: ['acme-*', 'tools'] });
});

test('a list is written with commas, or as in the file', async () => {
  const anonymous = async (text: string) =>
    (await loadConfig({ env: { STORMCELLAR_ACCESS__ANONYMOUS: text } })).access.anonymous;
  assert.deepEqual(await anonymous('[]'), []);
  assert.deepEqual(await anonymous(' ["read", "upload"] '), ['read', 'upload']);
  assert.deepEqual(await anonymous('read, upload'), ['read', 'upload']);
  const [complaint] = await complaints({ STORMCELLAR_ACCESS__ANONYMOUS: '[read]' });
  assert.match(complaint ?? '', /^access\.anonymous\[0\].*: found "\[read\]"/);
});

test('engines and new names can be chosen from the environment alone', async () => {
  const config = await loadConfig({
    env: {
      STORMCELLAR_STORAGE__BUCKET: 'cellar',
      STORMCELLAR_STORAGE__FORCE_PATH_STYLE: 'true',
      STORMCELLAR_STORAGE__KIND: 's3',
      STORMCELLAR_CHANNELS__PRODUCTION__AFTER: 'staging',
      STORMCELLAR_REPOSITORIES__TEAM_TWO__KIND: 'hosted',
    },
  });
  assert.ok(config.storage.kind === 's3');
  assert.deepEqual([config.storage.bucket, config.storage.forcePathStyle], ['cellar', true]);
  assert.deepEqual(config.channels, { production: { after: 'staging' } });
  assert.deepEqual(Object.keys(config.repositories), ['local', 'pypi', 'team-two']);
});

test('a variable that sets no key is a complaint, and so is one that sets it wrong', async () => {
  assert.deepEqual(
    await complaints({
      STORMCELLAR_LISTEN__PROT: '1',
      STORMCELLAR_LISTEN_PORT: '9000',
      STORMCELLAR_PORT: '9000',
      STORMCELLAR_OIDC__ISSUERS: '[]',
      STORMCELLAR_NONSENSE: '1',
      STORMCELLAR_LISTEN: '1',
      STORMCELLAR_LISTEN__PORT__X: '1',
      STORMCELLAR_LIMITS__STOP_GRACE: '10',
      STORMCELLAR_: '1',
      STORMCELLAR___PROTO__: '1',
    }),
    [
      'STORMCELLAR_: found an environment variable that sets no key, expected a key of docs/configuration.md',
      'STORMCELLAR_LISTEN: found an environment variable that sets no key, expected STORMCELLAR_LISTEN__… with one of its keys',
      'STORMCELLAR_LISTEN_PORT: found an environment variable that sets no key, expected STORMCELLAR_LISTEN__PORT',
      'STORMCELLAR_LISTEN__PORT__X: found an environment variable that sets no key, expected a key of listen.port',
      'STORMCELLAR_LISTEN__PROT: found an environment variable that sets no key, expected a key of listen',
      'STORMCELLAR_NONSENSE: found an environment variable that sets no key, expected a key of docs/configuration.md',
      'STORMCELLAR_OIDC__ISSUERS: found an environment variable that sets no key, expected it in the configuration file, being a list of objects',
      'STORMCELLAR_PORT: found an environment variable that sets no key, expected a key of docs/configuration.md',
      'STORMCELLAR___PROTO__: found an environment variable that sets no key, expected a key of docs/configuration.md',
      'limits.stopGrace (STORMCELLAR_LIMITS__STOP_GRACE): found "10", expected a duration such as "10m" (units: ms, s, m, h, d)',
    ],
  );
});

test('variables of the command line and those that Kubernetes puts there are no keys', async () => {
  await loadConfig({
    env: {
      STORMCELLAR_URL: 'x',
      STORMCELLAR_TOKEN: 'x',
      STORMCELLAR_PORT: 'tcp://10.0.0.1:8085',
      STORMCELLAR_PORT_8085_TCP_ADDR: '10.0.0.1',
      STORMCELLAR_SERVICE_HOST: '10.0.0.1',
      STORMCELLAR_SERVICE_PORT_HTTP: '8085',
      STORMCELLAR_WEB_SERVICE_HOST: '10.0.0.1',
      STORMCELLAR_TEST_SOURCES: '1',
    },
  });
});

test('the variable of a key is told', () => {
  assert.equal(variableOf(['listen', 'port']), 'STORMCELLAR_LISTEN__PORT');
  assert.equal(variableOf(['repositories', 'team-two', 'freshFor']), 'STORMCELLAR_REPOSITORIES__TEAM_TWO__FRESH_FOR');
});
