import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadConfig } from '../../server/config/load.ts';
import { openBlobStore } from '../../storage/open.ts';
import { DEPLOY, namesInConfig, readYaml, type Yaml } from '../support/deploy-files.ts';
import { startS3 } from '../support/engines.ts';
import { tempDir } from '../support/temp-dir.ts';

const s3 = await startS3('versitygw');
after(async () => {
  if (s3.skip === undefined) await s3.stop();
});
const [compose] = await readYaml('compose.yaml');
assert.ok(compose);
const services = compose.at('services');
const nodes = ['node-1', 'node-2'].map((name) => services.at(name));
const environment = (service: Yaml): Record<string, string> =>
  service.at('environment').value as Record<string, string>;

describe('deploy/compose.yaml', () => {
  it('gives every node the environment that its configuration names, and the configuration loads', async () => {
    for (const node of nodes) {
      const given = environment(node);
      const named = await namesInConfig('stormcellar.json');
      const others = Object.keys(given).filter((name) => !named.includes(name));
      assert.deepEqual(others, ['STORMCELLAR_ADMIN_TOKEN']);
      const env = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, filled(value)]));
      const config = await loadConfig({ file: `${DEPLOY}stormcellar.json`, env });
      assert.equal(config.catalog.kind === 'postgres' && new URL(config.catalog.url).hostname, 'database');
      assert.equal(config.storage.kind === 's3' && config.storage.endpoint, 'http://store:7070');
      assert.ok(seconds(node.at('stop_grace_period').text) * 1000 > config.limits.stopGrace);
    }
  });

  it('asks for nothing that deploy/.env.example does not list', async () => {
    const example = await readFile(`${DEPLOY}.env.example`, 'utf8');
    const listed = new Set([...example.matchAll(/^(\w+)=/gm)].map(([, name]) => name));
    const asked = new Set(
      [...(await readFile(`${DEPLOY}compose.yaml`, 'utf8')).matchAll(/\$\{(\w+)/g)].map(([, name]) => name),
    );
    assert.deepEqual([...asked].sort(), [...listed].sort());
  });

  it('lets nodes write to their own volume and nothing else', () => {
    const volumes = nodes.map((node) => {
      assert.deepEqual(node.at('cap_drop').value, ['ALL']);
      assert.deepEqual([node.at('read_only').value, node.at('security_opt').value], [true, ['no-new-privileges:true']]);
      const mounts = node.at('volumes').list.map(({ text }) => text);
      assert.deepEqual(mounts.filter((mount) => !mount.endsWith(':ro')).length, 1);
      return mounts.find((mount) => mount.endsWith(':/data'));
    });
    assert.equal(new Set(volumes).size, 2);
    const declared = new Set(compose.at('volumes').keys);
    for (const name of services.keys) {
      const mounts = services.at(name).at('volumes').value === undefined ? [] : services.at(name).at('volumes').list;
      for (const { text } of mounts) {
        const [from = ''] = text.split(':');
        assert.ok(from.startsWith('./') || declared.has(from), `${name} mounts ${from}`);
      }
    }
  });

  it('starts what each needs before it, and asks each whether it is well', () => {
    for (const name of services.keys) {
      for (const [other, how] of Object.entries(Object(services.at(name).at('depends_on').value))) {
        assert.ok(services.keys.includes(other), `${name} needs ${other}`);
        const { condition } = how as { condition: string };
        // The nodes have the health check of their image.
        const isChecked = services.at(other).at('healthcheck').value !== undefined || other.startsWith('node-');
        assert.ok(condition === 'service_completed_successfully' || isChecked, `${other} has no health check`);
      }
    }
    const engines = services.at('database').at('environment');
    assert.equal(
      environment(nodes[0] as Yaml).DATABASE_URL,
      `postgres://${engines.at('POSTGRES_USER').text}@database:5432/${engines.at('POSTGRES_DB').text}`,
    );
    assert.equal(engines.at('POSTGRES_PASSWORD').text, environment(nodes[0] as Yaml).DATABASE_PASSWORD);
    const store = services.at('store').at('environment');
    assert.equal(store.at('ROOT_SECRET_KEY').text, environment(nodes[0] as Yaml).S3_SECRET_ACCESS_KEY);
    assert.equal(environment(nodes[0] as Yaml).S3_BUCKET, environment(services.at('bucket')).S3_BUCKET);
  });

  it('makes the bucket, once', { skip: s3.skip ?? false }, async (t) => {
    if (s3.skip !== undefined) return;
    const dir = await tempDir(t);
    const script = join(dir, 'make-bucket.mjs');
    // As it lies in the image: beside the packages.
    await copyFile(`${DEPLOY}make-bucket.mjs`, script);
    await symlink(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(dir, 'node_modules'));
    const names = Object.keys(environment(services.at('bucket')));
    const values = [s3.endpoint, 'stormcellar', s3.accessKeyId, s3.secretAccessKey];
    assert.deepEqual(names, ['S3_ENDPOINT', 'S3_BUCKET', 'S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY']);
    const env = Object.fromEntries(names.map((name, index) => [name, values[index]]));
    const run = (more: NodeJS.ProcessEnv = {}) =>
      promisify(execFile)(process.execPath, [script], { env: { ...env, ...more } });
    assert.match((await run()).stdout, /^made the bucket stormcellar$/m);
    assert.match((await run()).stdout, /^the bucket stormcellar is there$/m);
    await assert.rejects(run({ S3_SECRET_ACCESS_KEY: 'wrong' }), /cannot be made/);
    const { endpoint, region, forcePathStyle, accessKeyId, secretAccessKey } = s3;
    const keys = { endpoint, region, forcePathStyle, accessKeyId, secretAccessKey };
    const config = { kind: 's3', bucket: 'stormcellar', prefix: '', delivery: 'stream', ...keys } as const;
    const store = await openBlobStore(config, { spoolDir: dir, minFreeBytes: 0 });
    await store.check();
    await store.close();
  });
});

/** As compose fills it in from `.env`. */
function filled(value: string): string {
  return value.replace(/\$\{(\w+):\?[^}]*\}/g, (_, name: string) =>
    name.endsWith('_URL') ? 'http://filled.example/simple/' : `filled-in-${name}-0123456789`,
  );
}

function seconds(text: string): number {
  return Number(/^(\d+)s$/.exec(text)?.[1]);
}
