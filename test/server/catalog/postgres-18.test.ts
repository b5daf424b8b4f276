import { after } from 'node:test';
import { openPostgres } from '../../../server/catalog/postgres.ts';
import { catalogContract } from '../../contracts/catalog.ts';
import { jobQueueContract } from '../../contracts/jobs.ts';
import { MIGRATIONS_DIR } from '../../support/test-catalog.ts';
import { startTestPostgres } from '../../support/test-postgres.ts';

const postgres = await startTestPostgres(18);
after(() => postgres.stop());
const { skip } = postgres;

const open = async () => openPostgres({ url: await postgres.database(), migrationsDir: MIGRATIONS_DIR });
catalogContract('PostgreSQL 18', open, { skip });
jobQueueContract('PostgreSQL 18', open, { skip });
