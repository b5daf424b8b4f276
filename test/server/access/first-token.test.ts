import assert from 'node:assert/strict';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ensureFirstToken } from '../../../server/access/first-token.ts';
import { newTokenSecret } from '../../../server/access/token.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { basic, testAccess } from '../../support/test-access.ts';

describe('the token of the very first start', () => {
  it('is an admin, told once, and kept in a file that only its owner can read', async (t) => {
    const dataDir = join(await tempDir(t), 'data');
    const { catalog, clock, authorizer, audit } = await testAccess(t);
    const secret = await ensureFirstToken({ catalog, clock, dataDir });
    assert.ok(secret);
    assert.equal(await readFile(join(dataDir, 'admin-token'), 'utf8'), `${secret}\n`);
    assert.equal((await stat(join(dataDir, 'admin-token'))).mode & 0o777, 0o600);
    assert.deepEqual((await authorizer.identify(basic(secret), '')).can, ['admin']);
    assert.equal(await ensureFirstToken({ catalog, clock, dataDir }), undefined);
    const { events } = await audit.page({ limit: 10 });
    assert.deepEqual(
      events.map(({ kind, by }) => [kind, by]),
      [['token-created', 'server']],
    );
  });

  it('is not made again after all tokens were revoked', async (t) => {
    const dataDir = await tempDir(t);
    const { catalog, clock, tokens } = await testAccess(t);
    await ensureFirstToken({ catalog, clock, dataDir });
    for (const { id } of await tokens.list()) await tokens.revoke(id, { name: 'admin' });
    await rm(join(dataDir, 'admin-token'));
    assert.equal(await ensureFirstToken({ catalog, clock, dataDir }), undefined);
    assert.deepEqual(await readdir(dataDir), []);
  });

  it('is not made where there is a token already', async (t) => {
    const { catalog, clock, token } = await testAccess(t);
    await token({ can: ['admin'] });
    assert.equal(await ensureFirstToken({ catalog, clock, dataDir: await tempDir(t) }), undefined);
  });

  it('is the one in the file when a first start was cut short after it', async (t) => {
    const dataDir = await tempDir(t);
    const left = newTokenSecret();
    await writeFile(join(dataDir, 'admin-token'), `${left}\n`, { mode: 0o644 });
    const { catalog, clock, authorizer } = await testAccess(t);
    assert.equal(await ensureFirstToken({ catalog, clock, dataDir }), left);
    assert.equal((await stat(join(dataDir, 'admin-token'))).mode & 0o777, 0o600);
    assert.deepEqual((await authorizer.identify(basic(left), '')).can, ['admin']);
  });

  it('replaces a file that was cut short itself', async (t) => {
    const dataDir = await tempDir(t);
    await writeFile(join(dataDir, 'admin-token'), 'sc_half');
    await writeFile(join(dataDir, 'admin-token.new'), 'sc_half', { mode: 0o644 });
    const { catalog, clock } = await testAccess(t);
    const secret = await ensureFirstToken({ catalog, clock, dataDir });
    assert.equal(await readFile(join(dataDir, 'admin-token'), 'utf8'), `${secret}\n`);
    assert.equal((await stat(join(dataDir, 'admin-token'))).mode & 0o777, 0o600);
  });

  it('is made by one of two nodes that start at once, and only that one keeps a file', async (t) => {
    const { catalog, clock } = await testAccess(t);
    const dirs = [await tempDir(t), await tempDir(t)];
    const secrets = await Promise.all(dirs.map((dataDir) => ensureFirstToken({ catalog, clock, dataDir })));
    assert.equal(secrets.filter((secret) => secret !== undefined).length, 1);
    for (const [i, dir] of dirs.entries()) {
      assert.deepEqual(await readdir(dir), secrets[i] === undefined ? [] : ['admin-token']);
    }
  });
});
