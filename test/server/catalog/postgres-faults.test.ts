import assert from 'node:assert/strict';
import { after, describe, it, type TestContext } from 'node:test';
import { Client } from 'pg';
import { type Catalog, first, run, type Script } from '../../../server/catalog/catalog.ts';
import { CatalogUnavailableError } from '../../../server/catalog/errors.ts';
import { openPostgres } from '../../../server/catalog/postgres.ts';
import type { PostgresSettings } from '../../../server/catalog/postgres-pool.ts';
import { sql } from '../../../server/catalog/schema.ts';
import { ChaosProxy, type Fate } from '../../support/chaos-proxy.ts';
import { MIGRATIONS_DIR } from '../../support/test-catalog.ts';
import { startTestPostgres } from '../../support/test-postgres.ts';

const postgres = await startTestPostgres();
after(() => postgres.stop());

const count = sql.selectFrom('blob').select('size').where('digest', '=', 'count');

/** Counts how often it took effect: once, whatever happened to the line. */
function* increment(): Script<number> {
  yield* run(
    sql
      .updateTable('blob')
      .set((eb) => ({ size: eb('size', '+', 1) }))
      .where('digest', '=', 'count'),
  );
  return (yield* first(count))?.size ?? 0;
}

describe('PostgreSQL, when the line breaks', { skip: postgres.skip }, () => {
  it('goes on over a new connection when idle ones were cut', async (t) => {
    const { catalog, proxy } = await setUp(t);
    await Promise.all(Array.from({ length: 4 }, () => catalog.read(() => first(count))));
    for (let round = 0; round < 3; round += 1) {
      proxy.cut();
      assert.equal((await catalog.read(() => first(count)))?.size, round);
      proxy.cut();
      assert.equal(await catalog.write(increment), round + 1);
    }
  });

  for (const [when, word, fate] of [
    ['as it begins', 'BEGIN', 'cut'],
    ['in its middle', 'update "blob"', 'cut'],
    ['in its middle, when the server has heard the statement', 'update "blob"', 'pass-then-cut'],
    ['before the server hears of the commit', 'COMMIT', 'cut'],
    ['before we hear of the commit', 'COMMIT', 'pass-then-cut'],
  ] as const) {
    it(`makes a change once when the line is cut ${when}`, async (t) => {
      const { catalog, proxy } = await setUp(t);
      proxy.decide(once(word, fate));
      assert.equal(await catalog.write(increment), 1);
      assert.equal(await catalog.write(increment), 2);
      assert.equal((await catalog.read(() => first(count)))?.size, 2);
    });
  }

  it('makes changes once under a rain of cuts', async (t) => {
    const { catalog, proxy } = await setUp(t);
    let heard = 0;
    proxy.decide(() => {
      heard += 1;
      return heard % 17 === 0 ? 'pass-then-cut' : heard % 11 === 0 ? 'cut' : 'pass';
    });
    const made = await Promise.allSettled(Array.from({ length: 30 }, () => catalog.write(increment)));
    const failed = made.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    for (const reason of failed) assert.ok(reason instanceof CatalogUnavailableError);
    proxy.heal();
    assert.equal((await catalog.read(() => first(count)))?.size, 30 - failed.length);
  });

  it('says so while the server is gone, and goes on when it is back', async (t) => {
    const { catalog, proxy } = await setUp(t);
    proxy.refuse();
    await assert.rejects(
      catalog.read(() => first(count)),
      CatalogUnavailableError,
    );
    await assert.rejects(catalog.write(increment), CatalogUnavailableError);
    proxy.heal();
    assert.equal(await catalog.write(increment), 1);
  });

  it('waits for nobody for long when the network is silent, and makes only one wait', async (t) => {
    const { catalog, proxy } = await setUp(t, { connectTimeoutMs: 200, statementTimeoutMs: 100 });
    proxy.silence();
    await assert.rejects(
      catalog.read(() => first(count)),
      CatalogUnavailableError,
    );
    const probe = assert.rejects(
      catalog.read(() => first(count)),
      CatalogUnavailableError,
    );
    let isWaiting = true;
    const waited = probe.then(() => {
      isWaiting = false;
    });
    await assert.rejects(
      catalog.read(() => first(count)),
      CatalogUnavailableError,
    );
    assert.ok(isWaiting);
    await waited;
    proxy.heal();
    assert.equal(await catalog.write(increment), 1);
  });

  it('goes on when the server ends our sessions', async (t) => {
    const { catalog, url } = await setUp(t);
    await Promise.all(Array.from({ length: 4 }, () => catalog.read(() => first(count))));
    await administer(
      url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'stormcellar'`,
    );
    assert.equal(await catalog.write(increment), 1);
    assert.equal((await catalog.read(() => first(count)))?.size, 1);
  });

  it('goes on when a newer node has added a column to what is kept prepared', async (t) => {
    const { catalog, url } = await setUp(t);
    const whole = sql.selectFrom('blob').selectAll().where('digest', '=', 'count');
    for (let times = 0; times < 5; times += 1) await catalog.read(() => first(whole));
    await administer(url, 'ALTER TABLE blob ADD COLUMN note TEXT');
    assert.equal((await catalog.read(() => first(whole)))?.size, 0);
    for (let times = 0; times < 5; times += 1) await catalog.write(() => first(whole));
    await administer(url, 'ALTER TABLE blob ADD COLUMN more TEXT');
    assert.equal((await catalog.write(() => first(whole)))?.size, 0);
  });

  it('gives up a statement that takes too long', async (t) => {
    const { catalog, url } = await setUp(t, { statementTimeoutMs: 200 });
    const other = new Client({ connectionString: url });
    await other.connect();
    t.after(() => other.end());
    await other.query("BEGIN; UPDATE blob SET size = 5 WHERE digest = 'count'");
    await assert.rejects(catalog.write(increment), CatalogUnavailableError);
    await other.query('COMMIT');
    assert.equal(await catalog.write(increment), 6);
  });
});

/** Does `fate` to the first bytes that hold `word`. */
function once(word: string, fate: Fate): (bytes: Buffer) => Fate {
  let isDone = false;
  return (bytes) => {
    if (isDone || !bytes.includes(word)) return 'pass';
    isDone = true;
    return fate;
  };
}

async function setUp(t: TestContext, settings: Partial<PostgresSettings> = {}) {
  const url = await postgres.database();
  const socketDir = new URLSearchParams(url.slice(url.indexOf('?'))).get('host');
  const proxy = await ChaosProxy.start({ path: `${socketDir}/.s.PGSQL.5432` });
  const database = url.slice(url.lastIndexOf('/', url.indexOf('?')) + 1, url.indexOf('?'));
  const through = `postgres://app@127.0.0.1:${proxy.port}/${database}`;
  const catalog: Catalog = await openPostgres({
    url: through,
    migrationsDir: MIGRATIONS_DIR,
    poolSize: 4,
    ...settings,
  });
  t.after(async () => {
    proxy.heal();
    await catalog.close();
    await proxy.stop();
  });
  await catalog.write(() =>
    run(sql.insertInto('blob').values({ digest: 'count', size: 0, stored_at: 1, doomed_at: null })),
  );
  return { catalog, proxy, url };
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
