import assert from 'node:assert/strict';
import { after, describe, it, type TestContext } from 'node:test';
import { startSharedEngines } from '../support/many-nodes.ts';
import { runProgram } from '../support/run-program.ts';
import { startS3Proxy } from '../support/s3-proxy.ts';

const engines = await startSharedEngines();
after(() => engines.stop());

type Settings = Record<string, Record<string, unknown>>;
type Cellar = Awaited<ReturnType<typeof engines.cellar>>;

const SECRET = 'a-secret-of-the-test';

describe('a program that cannot use its engines says why in a sentence, and exits with 1', {
  skip: engines.skip,
  concurrency: 2,
}, () => {
  const catalog = (change: (url: string) => string) => (settings: Settings) => {
    settings.catalog = { ...settings.catalog, url: change(String(settings.catalog?.url)), password: SECRET };
  };
  const storage = (change: Record<string, unknown>) => (settings: Settings) => {
    settings.storage = { ...settings.storage, ...change };
  };
  const wrong: readonly (readonly [string, (settings: Settings) => void, RegExp])[] = [
    [
      'a user that the database does not know',
      catalog((url) => url.replace('app@', 'nobody@')),
      /does not let this user in/,
    ],
    ['a database that is not there', catalog((url) => url.replace(/[^/]+$/, 'nothing')), /There is no such database/],
    ['a database that does not answer', catalog((url) => url.replace(/:\d+\//, ':1/')), /The database does not answer/],
    ['a bucket that is not there', storage({ bucket: 'no-such-bucket' }), /the bucket does not exist/],
    ['an access key that the store does not know', storage({ accessKeyId: 'nobody' }), /does not know this access key/],
    [
      'a secret that is wrong',
      storage({ secretAccessKey: SECRET }),
      /the secret key does not belong to the access key/,
    ],
  ];
  for (const [what, change, sentence] of wrong) {
    it(what, async (t) => {
      const cellar = await engines.cellar(t);
      const settings = cellar.settings() as Settings;
      change(settings);
      await refused(t, settings, sentence);
    });
  }

  const spoilt: readonly (readonly [string, (cellar: Cellar, database: string) => Promise<unknown>, RegExp])[] = [
    [
      'a database that a newer version has used',
      async (cellar) => {
        await (await cellar.node()).stop();
        await cellar.query(
          "INSERT INTO schema_migration SELECT 9000, '9000_later.sql', checksum, applied_at FROM schema_migration LIMIT 1",
        );
      },
      /newer version of this program/,
    ],
    [
      'a PostgreSQL that is too old',
      (cellar, database) =>
        shadow(cellar, database, `current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT '140011' $$`),
      /PostgreSQL 14; this program needs 15 or newer/,
    ],
    [
      'a clock that is wrong',
      (cellar, database) =>
        shadow(
          cellar,
          database,
          `clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT pg_catalog.clock_timestamp() - interval '2 min' $$`,
        ),
      /The clock of this machine and the clock of the database differ by 1\d\d s/,
    ],
  ];
  for (const [what, spoil, sentence] of spoilt) {
    it(what, async (t) => {
      const cellar = await engines.cellar(t);
      const settings = cellar.settings() as Settings;
      await spoil(cellar, String(settings.catalog?.url).split('/').at(-1) ?? '');
      await refused(t, settings, sentence);
    });
  }

  it('a clock that the store finds wrong', async (t) => {
    const proxy = await startS3Proxy(engines.s3);
    t.after(() => proxy.stop());
    proxy.order({ fault: { kind: 'answer', status: 403, code: 'RequestTimeTooSkewed' } });
    const cellar = await engines.cellar(t, { endpoint: proxy.endpoint });
    await refused(t, cellar.settings() as Settings, /the clock of this machine is wrong/);
  });
});

describe('a store that does not answer while the program starts', { skip: engines.skip }, () => {
  it('does not keep it from starting: it is unready, says why, and is ready when the store is back', async (t) => {
    const cellar = await engines.cellar(t);
    cellar.lines.store.refuse();
    const node = await cellar.node();
    const ready = await node.get('/readyz');
    assert.equal(ready.status, 503);
    assert.match(await ready.text(), /storage: The storage is not available/);
    cellar.lines.store.heal();
    assert.equal((await node.get('/readyz')).status, 200);
  });
});

async function refused(t: TestContext, settings: Settings, sentence: RegExp): Promise<void> {
  const { code, complaint, output } = await (await runProgram(t, { config: settings })).ended;
  assert.equal(code, 1, complaint);
  assert.match(complaint, sentence);
  assert.match(complaint, /^Stormcellar cannot serve: [^\n]+\n$/);
  assert.doesNotMatch(complaint + output, new RegExp(SECRET));
  assert.doesNotMatch(output, /listening/);
}

/** Puts a function of ours before PostgreSQL's own, for whoever uses the database. */
async function shadow(cellar: Cellar, database: string, definition: string): Promise<void> {
  await cellar.query('CREATE SCHEMA fake');
  await cellar.query(`CREATE FUNCTION fake.${definition}`);
  await cellar.query(`ALTER ROLE app IN DATABASE ${database} SET search_path = fake, pg_catalog, public`);
}
