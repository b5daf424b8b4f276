import { after } from 'node:test';
import { openPostgres } from '../../../server/catalog/postgres.ts';
import { openSqlite } from '../../../server/catalog/sqlite.ts';
import { evictionsContract } from '../../contracts/evictions.ts';
import { MIGRATIONS_DIR } from '../../support/test-catalog.ts';
import { startTestPostgres } from '../../support/test-postgres.ts';

const postgres = await startTestPostgres();
after(() => postgres.stop());

evictionsContract('SQLite', () => openSqlite({ path: ':memory:', migrationsDir: MIGRATIONS_DIR }));
evictionsContract(
  'PostgreSQL',
  async () => openPostgres({ url: await postgres.database(), migrationsDir: MIGRATIONS_DIR }),
  { skip: postgres.skip },
);
