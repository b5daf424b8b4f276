import assert from 'node:assert/strict';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { all, first, run } from '../../../server/catalog/catalog.ts';
import { CatalogFullError, CatalogUnusableError } from '../../../server/catalog/errors.ts';
import { sql } from '../../../server/catalog/schema.ts';
import { openSqlite } from '../../../server/catalog/sqlite.ts';
import { catalogContract } from '../../contracts/catalog.ts';
import { makeTempDir, tempDir } from '../../support/temp-dir.ts';
import { MIGRATIONS_DIR } from '../../support/test-catalog.ts';

catalogContract('SQLite in memory', () => openSqlite({ path: ':memory:', migrationsDir: MIGRATIONS_DIR }));
catalogContract('SQLite in a file', async () => {
  const { dir, remove } = await makeTempDir();
  const catalog = await openSqlite({ path: join(dir, 'below', 'catalog.sqlite'), migrationsDir: MIGRATIONS_DIR });
  return {
    read: (script) => catalog.read(script),
    write: (script) => catalog.write(script),
    close: () => catalog.close().finally(remove),
  };
});
