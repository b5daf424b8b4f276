import { openPostgres } from '../../server/catalog/postgres.ts';
import { startS3 } from './engines.ts';
import { newBucket } from './s3-bucket.ts';
import { MIGRATIONS_DIR } from './test-catalog.ts';
import { startTestPostgres } from './test-postgres.ts';

/** What a configuration file says of a new database and a new bucket. */
type MakeSettings = () => Promise<Readonly<Record<string, unknown>>>;

let makeSettings: MakeSettings | undefined;
const settingsOf = new Map<string, Promise<Readonly<Record<string, unknown>>>>();

/**
 * From now on every `testApp` of this process has its rows in PostgreSQL and its bytes in S3, and every `testCatalog` is on
 * PostgreSQL: for a file that imports tests to have them tried on these engines. `skip`: why there are none.
 */
export async function useSharedEngines(): Promise<{ readonly skip: string | false; stop(): Promise<void> }> {
  const [postgres, s3] = await Promise.all([startTestPostgres(), startS3('versitygw')]);
  const stop = async (): Promise<void> => {
    await postgres.stop();
    if (s3.skip === undefined) await s3.stop();
  };
  if (postgres.skip !== false) return { skip: postgres.skip, stop };
  if (s3.skip !== undefined) return { skip: s3.skip, stop };
  const migrated = await postgres.database();
  process.env.STORMCELLAR_TEST_POSTGRES = migrated;
  await (await openPostgres({ url: migrated, migrationsDir: MIGRATIONS_DIR })).close();
  // A copy is made faster than the migrations are applied.
  const how = `TEMPLATE ${/\/(\w+)\?/.exec(migrated)?.[1]}`;
  makeSettings = async () => ({
    catalog: { kind: 'postgres', url: await postgres.database(how), poolSize: 4 },
    storage: { ...(await newBucket(s3)), cacheBytes: '64MiB' },
  });
  return { skip: false, stop };
}

/** The engines of the server on this folder: the same each time, since they are what a folder is otherwise. None: SQLite and disk. */
export async function engineSettings(dataDir: string): Promise<Readonly<Record<string, unknown>>> {
  if (makeSettings === undefined) return {};
  let settings = settingsOf.get(dataDir);
  if (settings === undefined) {
    settings = makeSettings();
    settingsOf.set(dataDir, settings);
  }
  return await settings;
}
