import { fileURLToPath } from 'node:url';
import type { Catalog } from '../../server/catalog/catalog.ts';
import { openSqlite } from '../../server/catalog/sqlite.ts';

/** The folder `migrations/`. */
export const MIGRATIONS_DIR: string = fileURLToPath(new URL('../../migrations/', import.meta.url));

/** An SQLite catalog in memory with every migration, closed when the test `t` ends. */
export async function testCatalog(t: { after(fn: () => Promise<void>): void }): Promise<Catalog> {
  const catalog = await openSqlite({ path: ':memory:', migrationsDir: MIGRATIONS_DIR });
  t.after(() => catalog.close());
  return catalog;
}
