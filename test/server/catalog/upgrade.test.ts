import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import Database from 'better-sqlite3';
import { Client } from 'pg';
import { openPostgres } from '../../../server/catalog/postgres.ts';
import { openSqlite } from '../../../server/catalog/sqlite.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { MIGRATIONS_DIR } from '../../support/test-catalog.ts';
import { startTestPostgres } from '../../support/test-postgres.ts';

const postgres = await startTestPostgres();
after(() => postgres.stop());

const files = (await readdir(MIGRATIONS_DIR)).filter((name) => name.endsWith('.sql')).sort();
const releases = files.slice(0, -1).map((name, index) => ({ upTo: name, count: index + 1 }));

type Row = Readonly<Record<string, unknown>>;
type Ask = (statement: string) => Promise<readonly Row[]>;

describe('an upgrade keeps every row', () => {
  for (const { upTo, count } of releases) {
    it(`of a catalog on SQLite that stands at ${upTo}`, async (t) => {
      const path = join(await tempDir(t), 'catalog.sqlite');
      const ask: Ask = async (statement) => {
        const database = new Database(path);
        const prepared = database.prepare(statement);
        const rows = prepared.reader ? (prepared.all() as Row[]) : [];
        if (!prepared.reader) prepared.run();
        database.close();
        return rows;
      };
      const migrationsDir = await firstMigrations(t, count);
      await (await openSqlite({ path, migrationsDir })).close();
      const tables = await ask(
        `SELECT m.name AS "table", c.name AS "column", c.type AS type FROM sqlite_master m, pragma_table_info(m.name) c
         WHERE m.type = 'table'`,
      );
      const before = await fill(ask, tables);
      await (await openSqlite({ path, migrationsDir: MIGRATIONS_DIR })).close();
      await compare(ask, before);
    });

    it(`of a catalog on PostgreSQL that stands at ${upTo}`, { skip: postgres.skip }, async (t) => {
      const url = await postgres.database();
      const client = new Client({ connectionString: url });
      await client.connect();
      t.after(() => client.end());
      const ask: Ask = async (statement) => (await client.query(statement)).rows;
      const migrationsDir = await firstMigrations(t, count);
      await (await openPostgres({ url, migrationsDir })).close();
      const tables = await ask(
        `SELECT table_name AS "table", column_name AS "column", data_type AS type FROM information_schema.columns
         WHERE table_schema = 'public'`,
      );
      const before = await fill(ask, tables);
      await (await openPostgres({ url, migrationsDir: MIGRATIONS_DIR })).close();
      await compare(ask, before);
    });
  }
});

/** Puts a row into every table, beside those that migrations made; answers what each then holds. */
async function fill(ask: Ask, columns: readonly Row[]): Promise<ReadonlyMap<string, readonly Row[]>> {
  const tables = Map.groupBy(columns, ({ table }) => String(table));
  tables.delete('schema_migration');
  const filled = new Map<string, readonly Row[]>();
  for (const [table, those] of tables) {
    const names = those.map(({ column }) => `"${column}"`).join(', ');
    const values = those.map(({ type }) => (/text/i.test(String(type)) ? `'{}'` : '1')).join(', ');
    await ask(`INSERT INTO "${table}" (${names}) VALUES (${values})`);
    filled.set(table, await ask(`SELECT * FROM "${table}"`));
  }
  assert.ok(filled.size > 0);
  return filled;
}

async function compare(ask: Ask, before: ReadonlyMap<string, readonly Row[]>): Promise<void> {
  for (const [table, rows] of before) {
    const after = await ask(`SELECT * FROM "${table}"`);
    for (const row of rows) {
      const isKept = after.some((now) => Object.entries(row).every(([column, value]) => now[column] === value));
      assert.ok(isKept, `${table}: ${JSON.stringify(row)}`);
    }
  }
}

async function firstMigrations(t: Parameters<typeof tempDir>[0], count: number): Promise<string> {
  const dir = join(await tempDir(t), 'migrations');
  await mkdir(dir);
  for (const name of files.slice(0, count)) await copyFile(join(MIGRATIONS_DIR, name), join(dir, name));
  return dir;
}
