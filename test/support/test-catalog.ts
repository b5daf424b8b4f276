import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import type { Catalog } from '../../server/catalog/catalog.ts';
import { openPostgres } from '../../server/catalog/postgres.ts';
import { openSqlite } from '../../server/catalog/sqlite.ts';

/** The folder `migrations/`. */
export const MIGRATIONS_DIR: string = fileURLToPath(new URL('../../migrations/', import.meta.url));

/**
 * An empty catalog with every migration, closed when the test `t` ends: SQLite in memory. With `STORMCELLAR_TEST_POSTGRES`, the address
 * of a server on which databases may be made, it is a database there, and so the same tests try every script on PostgreSQL. `always`:
 * for tests whose clock is moved by hand, since that does not wait for a network.
 */
export async function testCatalog(
  t: { after(fn: () => Promise<void>): void },
  { always }: { readonly always?: 'in memory' } = {},
): Promise<Catalog> {
  const server = process.env.STORMCELLAR_TEST_POSTGRES;
  if (server !== undefined && always === undefined) return await testDatabase(t, server);
  const catalog = await openSqlite({ path: ':memory:', migrationsDir: MIGRATIONS_DIR });
  t.after(() => catalog.close());
  return catalog;
}

async function testDatabase(t: { after(fn: () => Promise<void>): void }, server: string): Promise<Catalog> {
  const name = `t_${randomBytes(6).toString('hex')}`;
  await administer(server, `CREATE DATABASE ${name}`);
  const url = server.replace(/\/[^/?]*(\?|$)/, `/${name}$1`);
  const catalog = await openPostgres({ url, migrationsDir: MIGRATIONS_DIR, poolSize: 4 });
  t.after(async () => {
    await catalog.close();
    await administer(server, `DROP DATABASE ${name} WITH (FORCE)`);
  });
  return catalog;
}

async function administer(server: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: server });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
