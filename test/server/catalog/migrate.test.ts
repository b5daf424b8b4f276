import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import Database from 'better-sqlite3';
import { CatalogUnusableError } from '../../../server/catalog/errors.ts';
import { readMigrations } from '../../../server/catalog/migrate.ts';
import { openSqlite } from '../../../server/catalog/sqlite.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { MIGRATIONS_DIR } from '../../support/test-catalog.ts';

describe('migrations', () => {
  it('are applied once, in order, and recorded', async (t) => {
    const { path, migrationsDir } = await copied(t);
    await (await openSqlite({ path, migrationsDir })).close();
    await (await openSqlite({ path, migrationsDir })).close();
    const database = new Database(path);
    const names = database.prepare('SELECT name FROM schema_migration ORDER BY number').pluck().all();
    database.close();
    assert.deepEqual(names, (await readdir(MIGRATIONS_DIR)).filter((name) => name.endsWith('.sql')).sort());
  });

  it('leave nothing when one fails in its middle', async (t) => {
    const { path, migrationsDir } = await copied(t);
    const good = 'CREATE TABLE good (id TEXT NOT NULL PRIMARY KEY);';
    await writeFile(join(migrationsDir, '0900_good.sql'), good);
    await writeFile(
      join(migrationsDir, '0901_bad.sql'),
      'CREATE TABLE half (id TEXT);\nINSERT INTO nowhere VALUES (1);',
    );
    await assert.rejects(openSqlite({ path, migrationsDir }), /nowhere/);
    const tables = 'SELECT count(*) FROM sqlite_master';
    const database = new Database(path);
    assert.equal(database.prepare(tables).pluck().get(), 0);
    database.close();
    await writeFile(join(migrationsDir, '0901_bad.sql'), 'CREATE TABLE half (id TEXT);');
    await (await openSqlite({ path, migrationsDir })).close();
    await writeFile(
      join(migrationsDir, '0902_worse.sql'),
      'ALTER TABLE good ADD COLUMN note TEXT;\nDROP TABLE nowhere;',
    );
    await assert.rejects(openSqlite({ path, migrationsDir }), /nowhere/);
    const after = new Database(path);
    assert.deepEqual(after.prepare("SELECT name FROM pragma_table_info('good')").pluck().all(), ['id']);
    after.close();
  });

  it('of a newer version make an older one refuse, in a sentence', async (t) => {
    const { path, migrationsDir } = await copied(t);
    await writeFile(join(migrationsDir, '0900_future.sql'), 'CREATE TABLE future (id TEXT);');
    await (await openSqlite({ path, migrationsDir })).close();
    await assert.rejects(openSqlite({ path, migrationsDir: MIGRATIONS_DIR }), (error) => {
      assert.ok(error instanceof CatalogUnusableError);
      assert.match(error.message, /newer version of this program \(its schema has 0900_future\.sql/);
      return true;
    });
  });

  it('may have their comments changed, but not their statements', async (t) => {
    const { path, migrationsDir } = await copied(t);
    const file = join(migrationsDir, '0900_mine.sql');
    await writeFile(file, "-- it's new\nCREATE TABLE mine (\n  id TEXT -- a key; really\n);\n");
    await (await openSqlite({ path, migrationsDir })).close();
    await writeFile(file, '-- better words\r\nCREATE TABLE mine (\r\n  id TEXT\r\n);\r\n');
    await (await openSqlite({ path, migrationsDir })).close();
    await writeFile(file, 'CREATE TABLE mine (id BIGINT);');
    await assert.rejects(openSqlite({ path, migrationsDir }), /another 0900_mine\.sql/);
  });

  it('are applied by one of several that start at once', async (t) => {
    const { path, migrationsDir } = await copied(t);
    const catalogs = await Promise.all([1, 2, 3].map(() => openSqlite({ path, migrationsDir })));
    for (const catalog of catalogs) await catalog.close();
  });

  it('are split into statements without comments', async (t) => {
    const dir = await tempDir(t);
    const text =
      "-- one; two\nCREATE TABLE a (b TEXT NOT NULL DEFAULT 'x;--y''z', c BIGINT DEFAULT -1); -- end\n;\nDROP TABLE a";
    await writeFile(join(dir, '0001_a.sql'), text);
    await writeFile(join(dir, 'README.md'), 'not a migration');
    const [migration] = await readMigrations(dir);
    assert.deepEqual(migration?.statements, [
      "CREATE TABLE a (b TEXT NOT NULL DEFAULT 'x;--y''z', c BIGINT DEFAULT -1)",
      'DROP TABLE a',
    ]);
  });

  it('use only what both engines understand', async () => {
    for (const { name, statements } of await readMigrations(MIGRATIONS_DIR)) {
      for (const statement of statements) {
        const words = statement.replaceAll(/'(?:[^']|'')*'/g, "''");
        assert.doesNotMatch(
          words,
          /\b(INTEGER|INT|SERIAL|AUTOINCREMENT|BOOLEAN|TIMESTAMP|JSONB?|BYTEA|VARCHAR|REAL|WITHOUT ROWID)\b/,
          name,
        );
      }
    }
    assert.match(await readFile(join(MIGRATIONS_DIR, 'README.md'), 'utf8'), /expand/i);
  });
});

async function copied(t: Parameters<typeof tempDir>[0]): Promise<{ path: string; migrationsDir: string }> {
  const dir = await tempDir(t);
  const migrationsDir = join(dir, 'migrations');
  await mkdir(migrationsDir);
  for (const name of await readdir(MIGRATIONS_DIR))
    await copyFile(join(MIGRATIONS_DIR, name), join(migrationsDir, name));
  return { path: join(dir, 'catalog.sqlite'), migrationsDir };
}
