import Database from 'better-sqlite3';
import { Client } from 'pg';
import { openPostgres } from '../../server/catalog/postgres.ts';
import { openSqlite } from '../../server/catalog/sqlite.ts';
import { MIGRATIONS_DIR } from '../support/test-catalog.ts';

/** Of the repository `local`: projects `project-000001` and so on, each with eight files, every third with nine. */
export interface Size {
  readonly projects: number;
}

/** Makes a catalog at `path` and fills it, past everything that makes writes safe. */
export async function fillSqlite(path: string, { projects }: Size): Promise<void> {
  await (await openSqlite({ path, migrationsDir: MIGRATIONS_DIR })).close();
  const database = new Database(path);
  database.pragma('journal_mode = OFF');
  database.pragma('synchronous = OFF');
  database.pragma('cache_size = -500000');
  const indexes = database
    .prepare<[], { name: string; sql: string }>(
      "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ('project', 'file')",
    )
    .all();
  for (const { name } of indexes) database.exec(`DROP INDEX ${name}`);
  database.exec(`
    WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < ${projects})
    ${insertProjects("printf('project-%06d', i)", 'numbers')};
    WITH RECURSIVE releases (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM releases WHERE n < 9)
    ${insertFiles({ digest: 'lower(hex(randomblob(32)))', from: 'project p CROSS JOIN releases', third: 'p.rowid % 3' })};
  `);
  for (const { sql } of indexes) database.exec(sql);
  database.pragma('journal_mode = WAL');
  database.close();
}

/** The same in an empty database of PostgreSQL. */
export async function fillPostgres(url: string, { projects }: Size): Promise<void> {
  await (await openPostgres({ url, migrationsDir: MIGRATIONS_DIR })).close();
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows: indexes } = await client.query<{ indexname: string; indexdef: string }>(
      `SELECT indexname, indexdef FROM pg_indexes
       WHERE tablename IN ('project', 'file') AND indexname NOT LIKE '%_pkey'`,
    );
    for (const { indexname } of indexes) await client.query(`DROP INDEX ${indexname}`);
    await client.query(`SET maintenance_work_mem = '512MB'`);
    await client.query(
      insertProjects("'project-' || lpad(i::text, 6, '0')", `generate_series(1, ${projects}) AS numbers (i)`),
    );
    const digest = `encode(sha256((p.name || '/' || n)::bytea), 'hex')`;
    const from = `project p CROSS JOIN generate_series(1, 9) AS releases (n)`;
    await client.query(insertFiles({ digest, from, third: 'right(p.name, 6)::int % 3' }));
    for (const { indexdef } of indexes) await client.query(indexdef);
    await client.query('VACUUM ANALYZE project, file');
  } finally {
    await client.end();
  }
}

function insertProjects(name: string, from: string): string {
  return `INSERT INTO project (name, repository, display_name, present, status, revision, stored_revision, changed_at)
    SELECT ${name}, 'local', ${name}, 1, 'active', 1, 1, 1700000000000 FROM ${from}`;
}

function insertFiles({
  digest,
  from,
  third,
}: {
  readonly digest: string;
  readonly from: string;
  readonly third: string;
}) {
  const filename = `replace(p.name, '-', '_') || '-' || n || '.0-py3-none-any.whl'`;
  const detail = `'{"filename":"' || ${filename} || '","hashes":{"sha256":"' || ${digest} || '"},"size":120000,'
    || '"requiresPython":">=3.8","uploadTime":"2024-01-01T00:00:00.000000Z"}'`;
  return `INSERT INTO file (project, filename, repository, version, digest, size, detail, stored_at)
    SELECT p.name, ${filename}, 'local', n || '.0', ${digest}, 120000, ${detail}, 1700000000000
    FROM ${from} WHERE n <= 8 OR ${third} = 0`;
}
