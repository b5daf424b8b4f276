import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import Database from 'better-sqlite3';
import { type Migration, readMigrations } from '../../../server/catalog/migrate.ts';
import { openSqlite } from '../../../server/catalog/sqlite.ts';
import { tableShapes } from '../../../server/catalog/table-shapes.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { MIGRATIONS_DIR } from '../../support/test-catalog.ts';

it('every table that the migrations make is known with its key and its first rows', async (t) => {
  const path = join(await tempDir(t), 'catalog.sqlite');
  await (await openSqlite({ path, migrationsDir: MIGRATIONS_DIR })).close();
  const database = new Database(path);
  t.after(() => {
    database.close();
  });
  const names = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").pluck().all();
  const found = names
    .filter((name) => name !== 'schema_migration' && name !== 'cellar_state')
    .map((name) => ({
      name,
      key: database.prepare('SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk').pluck().all(name),
      seeded: database.prepare(`SELECT count(*) FROM "${name}"`).pluck().get(),
    }));
  assert.deepEqual(tableShapes(await readMigrations(MIGRATIONS_DIR)), found);
});

it('later migrations may drop tables, and what cannot be read is said', () => {
  const from = (...statements: string[]): Migration => ({ number: 1, name: '0001_a.sql', checksum: '', statements });
  const made = from(
    'CREATE TABLE a (x TEXT NOT NULL PRIMARY KEY, y BIGINT)',
    'CREATE TABLE b (x TEXT, PRIMARY KEY (x))',
  );
  assert.deepEqual(
    tableShapes([made, from('DROP TABLE b', 'ALTER TABLE a ADD COLUMN z TEXT')]).map(({ name }) => name),
    ['a'],
  );
  assert.throws(() => tableShapes([from('CREATE TABLE c (x TEXT)')]), /c has no primary key/);
  assert.throws(() => tableShapes([made, from('ALTER TABLE a RENAME TO c')]), /0001_a\.sql renames in a/);
});
