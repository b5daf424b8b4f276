import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { all, first, run } from '../../../server/catalog/catalog.ts';
import { CatalogFullError, CatalogUnusableError } from '../../../server/catalog/errors.ts';
import { cancelJob, enqueueJob } from '../../../server/catalog/jobs.ts';
import { sql } from '../../../server/catalog/schema.ts';
import { openSqlite } from '../../../server/catalog/sqlite.ts';
import { catalogContract } from '../../contracts/catalog.ts';
import { makeSmallDisk } from '../../support/small-disk.ts';
import { makeTempDir, tempDir } from '../../support/temp-dir.ts';
import { MIGRATIONS_DIR } from '../../support/test-catalog.ts';

const open = (path: string) => openSqlite({ path, migrationsDir: MIGRATIONS_DIR });

catalogContract('SQLite in memory', () => open(':memory:'));
catalogContract('SQLite in a file', async () => {
  const { dir, remove } = await makeTempDir();
  const catalog = await open(join(dir, 'below', 'catalog.sqlite'));
  return {
    read: (script) => catalog.read(script),
    write: (script) => catalog.write(script),
    close: () => catalog.close().finally(remove),
  };
});

describe('SQLite', () => {
  it('keeps what was acknowledged when the process is killed, wholly or not at all', async (t) => {
    const path = join(await tempDir(t), 'catalog.sqlite');
    const writers = ['x', 'y'].map((prefix) => writer(path, prefix));
    t.after(() => {
      for (const { child } of writers) child.kill('SIGKILL');
    });
    const acknowledged = await Promise.all(writers.map(({ killAfter }) => killAfter(40)));
    const catalog = await open(path);
    t.after(() => catalog.close());
    const rows = await catalog.read(() => all(sql.selectFrom('blob').select('digest')));
    const digests = new Set(rows.map(({ digest }) => digest));
    for (const [index, prefix] of ['x', 'y'].entries()) {
      for (let number = 0; number <= (acknowledged[index] ?? 0); number += 1) {
        assert.ok(digests.has(`${prefix}-${number}-a`), `${prefix}-${number} was acknowledged`);
      }
    }
    for (const digest of digests) assert.ok(digests.has(digest.replace(/a$/, 'b')), `${digest} has its other half`);
  });

  it('says that the disk is full, and goes on reading', async (t) => {
    const disk = await makeSmallDisk(2048);
    if ('skip' in disk) return t.skip(disk.skip);
    t.after(disk.remove);
    const catalog = await open(join(disk.dir, 'catalog.sqlite'));
    const page = (name: string) =>
      sql.insertInto('upstream_page').values({ name, repository: 'r', body: 'x'.repeat(100_000) });
    await catalog.write(() => run(page('first')));
    const fill = async (): Promise<void> => {
      for (let number = 0; number < 100; number += 1) await catalog.write(() => run(page(`p${number}`)));
    };
    await assert.rejects(fill, CatalogFullError);
    const row = await catalog.read(() =>
      first(sql.selectFrom('upstream_page').select('name').where('name', '=', 'first')),
    );
    assert.equal(row?.name, 'first');
    await catalog.close();
  });

  it('opens on a disk without a byte left, reads, and writes when there is room again', async (t) => {
    const disk = await makeSmallDisk(2048);
    if ('skip' in disk) return t.skip(disk.skip);
    t.after(disk.remove);
    const path = join(disk.dir, 'catalog.sqlite');
    const page = (name: string) => sql.insertInto('upstream_page').values({ name, repository: 'r', body: name });
    const names = () => all(sql.selectFrom('upstream_page').select('name'));
    const before = await open(path);
    await before.write(() => run(page('first')));
    await before.close();
    const filling = join(disk.dir, 'filling');
    await assert.rejects(writeFile(filling, Buffer.alloc(4 * 2 ** 20)), { code: 'ENOSPC' });
    const catalog = await open(path);
    assert.deepEqual(await catalog.read(names), [{ name: 'first' }]);
    await assert.rejects(
      catalog.write(() => run(page('second'))),
      CatalogFullError,
    );
    await rm(filling);
    await catalog.write(() => run(page('third')));
    assert.deepEqual(await catalog.read(names), [{ name: 'first' }, { name: 'third' }]);
    await catalog.close();
  });

  it('leaves nothing of a secret in its file once the job that needed it is over', async (t) => {
    const path = join(await tempDir(t), 'catalog.sqlite');
    const catalog = await open(path);
    const password = 'a-password-of-theirs';
    const actor = { name: 'admin' };
    const order = { kind: 'collect-garbage', input: {}, actor, now: 1, secret: password.repeat(20) } as const;
    const id = await catalog.write(() => enqueueJob(order));
    assert.ok(id);
    await catalog.write(() => cancelJob(id, actor, 2));
    await catalog.close();
    assert.ok(!(await readFile(path)).includes(password));
  });

  it('refuses a file that is no database, in a sentence', async (t) => {
    const path = join(await tempDir(t), 'catalog.sqlite');
    await writeFile(path, 'certainly not a database, but long enough to look at'.repeat(100));
    await assert.rejects(open(path), (error) => {
      assert.ok(error instanceof CatalogUnusableError);
      assert.match(error.message, /^The catalog .* cannot be opened: file is not a database\.$/);
      return true;
    });
  });

  it('refuses a place where no file can be made', async (t) => {
    const file = join(await tempDir(t), 'file');
    await writeFile(file, '');
    await assert.rejects(open(join(file, 'catalog.sqlite')), CatalogUnusableError);
  });
});

function writer(path: string, prefix: string) {
  const program = fileURLToPath(new URL('../../support/write-and-die.ts', import.meta.url));
  const child: ChildProcessByStdio<null, Readable, null> = spawn(
    process.execPath,
    [program, path, prefix, MIGRATIONS_DIR],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  /** Kills the process once it has said `count`; answers the last number that it said. */
  async function killAfter(count: number): Promise<number> {
    let last = -1;
    for await (const line of createInterface(child.stdout)) {
      last = Number(line);
      if (last === count) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return last;
  }
  return { child, killAfter };
}
