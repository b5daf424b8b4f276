import { openSqlite } from '../../../server/catalog/sqlite.ts';
import { jobQueueContract } from '../../contracts/jobs.ts';
import { MIGRATIONS_DIR } from '../../support/test-catalog.ts';

jobQueueContract('SQLite', () => openSqlite({ path: ':memory:', migrationsDir: MIGRATIONS_DIR }));
