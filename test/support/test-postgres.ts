import { Client } from 'pg';
import { type PostgresEngine, startPostgres } from './engines.ts';

/** A PostgreSQL server of this test process, with databases of its own for whoever asks. */
export interface TestPostgres {
  /** Why there is none; then `database` throws. */
  readonly skip: string | false;
  /** The address of a new, empty database. `how`: what follows its name in CREATE DATABASE. */
  database(how?: string): Promise<string>;
  stop(): Promise<void>;
}

/** `version` as `startPostgres` takes it. */
export async function startTestPostgres(version?: 18): Promise<TestPostgres> {
  const engine = await startPostgres(version);
  if (engine.skip !== undefined) {
    const { skip } = engine;
    const none = (): Promise<never> => Promise.reject(new Error(skip));
    return { skip, database: none, stop: async () => {} };
  }
  let made = 0;
  return {
    skip: false,
    database: async (how = '') => {
      made += 1;
      const name = `t_${made}`;
      await administer(engine, `CREATE DATABASE ${name} ${how}`);
      return engine.url.replace('/app?', `/${name}?`);
    },
    stop: engine.stop,
  };
}

async function administer({ url }: PostgresEngine, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
