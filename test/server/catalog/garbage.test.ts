import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import Database from 'better-sqlite3';
import { SqliteQueryCompiler } from 'kysely';
import { ScriptCompiler } from '../../../server/catalog/compile.ts';
import { unreferenced } from '../../../server/catalog/garbage.ts';
import { sql } from '../../../server/catalog/schema.ts';
import { openSqlite } from '../../../server/catalog/sqlite.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { MIGRATIONS_DIR } from '../../support/test-catalog.ts';

/** What keeps no blob alive: digests of a text that is in the row itself, of files that a lock only names, of what was read from. */
const NO_BLOBS = new Set([
  'bundle_lock.digest',
  'bundle_lock_hash.digest',
  'kept_lock.digest',
  'lock_text.digest',
  'build_requirement.digest',
]);

describe('what garbage collection looks at', () => {
  it('is every column with the digest of a blob, and each is found by an index', async (t) => {
    const path = join(await tempDir(t), 'catalog.sqlite');
    await (await openSqlite({ path, migrationsDir: MIGRATIONS_DIR })).close();
    const database = new Database(path);
    t.after(() => database.close());
    const columns = database
      .prepare<[], { table: string; column: string }>(
        `SELECT m.name AS "table", c.name AS "column" FROM sqlite_master m, pragma_table_info(m.name) c
         WHERE m.type = 'table' AND m.name <> 'blob' AND (c.name = 'digest' OR c.name LIKE '%\\_digest' ESCAPE '\\')`,
      )
      .all()
      .filter(({ table, column }) => !NO_BLOBS.has(`${table}.${column}`));
    assert.ok(columns.length > 0);
    const query = sql.selectFrom('blob').select('digest').where(unreferenced);
    const { sql: text } = new ScriptCompiler(new SqliteQueryCompiler()).compile({ statement: query });
    for (const { table, column } of columns) {
      assert.ok(
        text.includes(`"${table}"."${column}" = "blob"."digest"`),
        `${table}.${column} has no line in garbage.ts; if it names no blob, say so here`,
      );
    }
    const plan = database.prepare<[], { detail: string }>(`EXPLAIN QUERY PLAN ${text}`).all();
    const searches = plan.filter(({ detail }) => /^(SEARCH|SCAN) /.test(detail) && !detail.includes('blob'));
    assert.equal(searches.length, columns.length);
    for (const { detail } of searches) assert.match(detail, /^SEARCH .* USING (COVERING )?INDEX .*digest=\?/, detail);
  });
});
