import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ConfigError } from '../../../server/config/complaints.ts';
import { loadConfig } from '../../../server/config/load.ts';
import type { Config } from '../../../server/config/schema.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'config-'));
});
after(() => rm(folder, { recursive: true }));

type Environment = Record<string, string>;

async function load(content: unknown, env: Environment = {}): Promise<Config> {
  const file = join(folder, 'config.json');
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
  return loadConfig({ file, env });
}

async function complaints(content: unknown, env: Environment = {}): Promise<Record<string, string>> {
  const error = await load(content, env).then(
    () => assert.fail('nothing was wrong'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ConfigError);
  return Object.fromEntries(error.complaints.map(({ path, found, expected }) => [path, `${found} | ${expected}`]));
}

test('without file and environment the defaults hold', async () => {
  const config = await loadConfig({ env: {} });
  assert.deepEqual(config.listen, { host: '127.0.0.1', port: 8085 });
  assert.equal(config.limits.uploadBytes, 2 ** 31);
  assert.equal(config.bootstrapToken, undefined);
  const { pypi } = config.repositories;
  assert.ok(pypi?.kind === 'upstream');
  assert.equal(pypi.url, 'auto');
  assert.equal(pypi.freshFor, 600_000);
});

test('a key that is set leaves the others at their defaults', async () => {
  const config = await load({
    listen: { port: 9000 },
    repositories: { up: { kind: 'upstream', url: 'https://me:s%40@index.example/simple', freshFor: '5s' } },
    indexes: { team: { repositories: ['up'], private: ['Acme_*'] } },
    defaultIndex: 'team',
  });
  assert.deepEqual(config.listen, { host: '127.0.0.1', port: 9000 });
  const { up } = config.repositories;
  assert.ok(up?.kind === 'upstream');
  assert.equal(up.url, 'https://index.example/simple/');
  assert.deepEqual([up.username, up.password, up.freshFor, up.timeout], ['me', 's@', 5000, 10_000]);
  assert.deepEqual(config.indexes, { team: { repositories: ['up'], private: ['acme-*'] } });
});

test('what is kept of upstreams has no limit until one is set, and may be kept longer than a timer lasts', async () => {
  const { limits } = await loadConfig({ env: {} });
  assert.deepEqual([limits.cacheBytes, limits.cacheKeepFor], [null, 30 * 86_400_000]);
  const set = await load({ limits: { cacheBytes: '500GB', cacheKeepFor: '365d' } });
  assert.deepEqual([set.limits.cacheBytes, set.limits.cacheKeepFor], [5e11, 365 * 86_400_000]);
  const env = { STORMCELLAR_LIMITS__CACHE_BYTES: '1GiB' };
  assert.equal((await loadConfig({ env })).limits.cacheBytes, 2 ** 30);
  assert.deepEqual(await complaints({ limits: { cacheBytes: 'all', cacheKeepFor: '1y' } }), {
    'limits.cacheBytes':
      '"all" | a size such as "2GiB" (units: B, KB, KiB, MB, MiB, GB, GiB, TB, TiB), or a number of bytes',
    'limits.cacheKeepFor': '"1y" | a duration such as "10m" (units: ms, s, m, h, d)',
  });
});

test('every complaint at once, with path, finding and expectation', async () => {
  const found = await complaints({
    listen: { port: '80', hots: 'x' },
    storage: { kind: 'disk', bucket: 'b' },
    catalog: { kind: 'mysql' },
    repositories: { 'No Name': { kind: 'hosted' }, up: { kind: 'upstream', freshfor: '5m', timeout: '10 min' }, x: 5 },
    indexes: {
      main: { repositories: ['up', 'nowhere', 'up'], private: ['*x'] },
      empty: { repositories: [] },
      bare: {},
    },
    defaultIndex: 'other',
    limits: { uploadBytes: '2 gigs', minFreeBytes: -1, pageFiles: 0.5, downloads: 0 },
    access: { anonymous: ['reed'] },
    trustProxy: 'all',
    frobnicate: 1,
    log: { level: null },
    channels: { a: { after: 'b' }, b: { after: 'a' } },
  });
  assert.deepEqual(found, {
    'access.anonymous[0]': '"reed" | one of "read", "upload", "bundle", "admin"',
    'catalog.kind': '"mysql" | one of "sqlite", "postgres"',
    'channels.a.after': '"a" after "b" after "a" | an order that ends',
    'channels.b.after': '"b" after "a" after "b" | an order that ends',
    defaultIndex: '"other" | one of "main", "empty", "bare"',
    frobnicate:
      'an unknown key | one of "listen", "publicUrl", "trustProxy", "contact", "dataDir", "storage", "catalog", "repositories", "indexes", "defaultIndex", "access", "oidc", "uploads", "bundles", "channels", "retention", "fetch", "import", "jobs", "notify", "limits", "log"',
    'indexes.empty.repositories': 'an empty list | at least one name of a repository',
    'indexes.main.private[0]': '"*x" | a name such as "acme-tools", or one that ends in "*" such as "acme-*"',
    'indexes.main.repositories[1]': '"nowhere" | one of "No Name", "up", "x"',
    'indexes.main.repositories[2]': '"up" a second time | each repository once',
    'limits.downloads': '0 | a whole number from 1 to 1024',
    'limits.minFreeBytes':
      '-1 | a size such as "2GiB" (units: B, KB, KiB, MB, MiB, GB, GiB, TB, TiB), or a number of bytes',
    'limits.pageFiles': '0.5 | a whole number from 1 to 10000000',
    'limits.uploadBytes':
      '"2 gigs" | a size such as "2GiB" (units: B, KB, KiB, MB, MiB, GB, GiB, TB, TiB), or a number of bytes',
    'listen.hots': 'an unknown key | "host"',
    'listen.port': '"80" | a whole number from 0 to 65535',
    'log.level': 'null | one of "fatal", "error", "warn", "info", "debug", "trace", "silent"',
    'repositories.No Name':
      'the name "No Name" | a name of lower-case letters, digits, "-", "_" and "." (at most 64, none but letters and digits at the ends)',
    'repositories.up.freshfor': 'an unknown key | "freshFor"',
    'repositories.up.timeout': '"10 min" | a duration such as "10m" (units: ms, s, m, h, d)',
    'repositories.x': '5 | an object with "kind" one of "hosted", "upstream"',
    'storage.bucket': 'an unknown key | it only with "kind": "s3"',
    trustProxy: '"all" | a list',
  });
});

test('what refers to a repository, an index or a key that is not there is found', async () => {
  const found = await complaints({
    indexes: { main: { repositories: ['local', 'nowhere', 'local'] } },
    storage: { kind: 's3', bucket: 'b', accessKeyId: 'k' },
  });
  assert.deepEqual(found, {
    'indexes.main.repositories[1]': '"nowhere" | one of "local", "pypi"',
    'indexes.main.repositories[2]': '"local" a second time | each repository once',
    'storage.secretAccessKey': 'nothing | "accessKeyId" and "secretAccessKey", or neither',
  });
});

test('a repository that is wrong is no second mistake where an index names it', async () => {
  const found = await complaints({
    repositories: { a: { kind: 'hosted' }, b: { kind: 'hosting' } },
    indexes: { main: { repositories: ['a', 'b'] } },
  });
  assert.deepEqual(Object.keys(found), ['repositories.b.kind']);
});

test('credentials stand in one place', async () => {
  const url = 'https://me:secret@index.example/';
  const found = await complaints({
    repositories: { local: { kind: 'hosted' }, pypi: { kind: 'upstream', url, username: 'x' } },
  });
  assert.match(found['repositories.pypi.username'] ?? '', /in one place/);
});

test('complaints show no secrets', async () => {
  const found = await complaints({
    storage: { kind: 's3', bucket: 'b', secretAccessKey: 5, accessKeyId: ['KEY'], prefix: '/x' },
    catalog: { kind: 'postgres', url: 'mysql://me:HUSH@db.example/' },
    notify: { secret: 77 },
    repositories: { a: { kind: 'upstream', url: 'gopher://me:HUSH@index.example/', password: { HUSH: 1 } } },
  });
  assert.equal(Object.keys(found).length >= 6, true);
  assert.doesNotMatch(JSON.stringify(found), /HUSH|KEY/);
  const careless = await complaints({
    catalog: { kind: 'postgres', url: 'postgres://me:HU/SH@HUSH#@db.example/cellar' },
    repositories: {
      a: { kind: 'upstream', url: 'https://me:HU/SH@index.example/' },
      b: { kind: 'upstream', url: 'me:HUSH@index.example/' },
    },
  });
  assert.deepEqual(Object.keys(careless), ['catalog.url', 'repositories.a.url', 'repositories.b.url']);
  assert.doesNotMatch(JSON.stringify(careless), /HU|SH/);
});

test('what a reference brings is not shown, since it may be a secret', async () => {
  await writeFile(join(folder, 'hush'), 'HUSH');
  const file = join(folder, 'hush');
  assert.deepEqual(
    await complaints({ listen: { port: { $env: 'PORT' } }, limits: { $file: file } }, { PORT: 'HUSH' }),
    {
      'listen.port': 'what the environment variable PORT holds | a whole number from 0 to 65535',
      limits: `what the file ${file} holds | an object`,
    },
  );
});

test('what is no JSON object is one complaint with the place', async () => {
  const at = `configuration file ${join(folder, 'config.json')}`;
  assert.match((await complaints('{"a": 1,}'))[at] ?? '', /not JSON: .*(line|position)/);
  assert.match((await complaints('[]'))[at] ?? '', /no object/);
  const missing = loadConfig({ file: join(folder, 'absent.json'), env: {} });
  await assert.rejects(missing, /no such file/);
});

test('keys that could reach a prototype are unknown keys', async () => {
  const found = await complaints('{"__proto__": {"listen": 1}, "constructor": 1, "limits": {"toString": 1}}');
  assert.deepEqual(Object.keys(found).sort(), ['__proto__', 'constructor', 'limits.toString']);
});

test('secrets come from the environment and from files, in the type that their key takes', async () => {
  await writeFile(join(folder, 'secret'), 'hush\n');
  const config = await load(
    {
      listen: { port: { $env: 'PORT' } },
      notify: { secret: { $file: join(folder, 'secret') } },
      trustProxy: { $env: 'PROXIES' },
    },
    { PORT: '9001', PROXIES: '10.0.0.0/8, ::1' },
  );
  assert.equal(config.listen.port, 9001);
  assert.equal(config.notify.secret, 'hush');
  assert.deepEqual(config.trustProxy, ['10.0.0.0/8', '::1']);
});

test('a file of certificates that cannot be read is a complaint like any other', async () => {
  const pypi = { kind: 'upstream', url: 'https://index.example/simple/', caFile: folder };
  const found = await complaints(
    {
      catalog: { kind: 'postgres', url: 'postgres://me@db.example/cellar', caFile: { $env: 'CA' } },
      repositories: { local: { kind: 'hosted' }, pypi },
      frobnicate: 1,
    },
    { CA: '/absent.pem' },
  );
  assert.deepEqual(Object.keys(found).sort(), ['catalog.caFile', 'frobnicate', 'repositories.pypi.caFile']);
  assert.match(found['repositories.pypi.caFile'] ?? '', /cannot be read \(EISDIR\) \| a readable PEM file/);
});

test('a reference that leads nowhere is told once', async () => {
  const found = await complaints({
    storage: {
      kind: 's3',
      bucket: { $env: 'BUCKET' },
      accessKeyId: { $env: 'ID' },
      secretAccessKey: { $file: '/absent/x' },
    },
    notify: { secret: { $env: 'A', more: 1 } },
  });
  assert.deepEqual(Object.keys(found).sort(), [
    'notify.secret',
    'storage.accessKeyId',
    'storage.bucket',
    'storage.secretAccessKey',
  ]);
  assert.match(found['storage.secretAccessKey'] ?? '', /cannot be read \(ENOENT\)/);
});

test('the file may be named in the environment', async () => {
  const file = join(folder, 'named.json');
  await writeFile(file, '{"defaultIndex": "main", "listen": {"port": 1234}}');
  assert.equal((await loadConfig({ env: { STORMCELLAR_CONFIG: file } })).listen.port, 1234);
});

test('the bootstrap token is long enough, or a complaint that does not show it', async () => {
  const token = 'x'.repeat(20);
  assert.equal((await load({}, { STORMCELLAR_ADMIN_TOKEN: token })).bootstrapToken, token);
  assert.equal((await load({}, { STORMCELLAR_ADMIN_TOKEN: `${token}\n` })).bootstrapToken, token);
  assert.equal((await load({}, { STORMCELLAR_ADMIN_TOKEN: '\n' })).bootstrapToken, undefined);
  assert.deepEqual(await complaints({}, { STORMCELLAR_ADMIN_TOKEN: 'short' }), {
    STORMCELLAR_ADMIN_TOKEN: '5 characters | at least 20',
  });
});
