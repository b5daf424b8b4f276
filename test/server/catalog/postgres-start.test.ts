import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { Client } from 'pg';
import { all, first, run } from '../../../server/catalog/catalog.ts';
import { CatalogUnavailableError, CatalogUnusableError } from '../../../server/catalog/errors.ts';
import { openPostgres, type PostgresOptions } from '../../../server/catalog/postgres.ts';
import { sql } from '../../../server/catalog/schema.ts';
import { issued } from '../../support/certificate.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { postgresWithTls } from '../../support/postgres-tls.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { MIGRATIONS_DIR } from '../../support/test-catalog.ts';
import { startTestPostgres } from '../../support/test-postgres.ts';

const postgres = await startTestPostgres();
after(() => postgres.stop());

describe('PostgreSQL at start', { skip: postgres.skip }, () => {
  it('is brought up to date by one of several nodes, while the others wait', async (t) => {
    const url = await postgres.database();
    const nodes = await Promise.all(Array.from({ length: 4 }, () => open(t, { url })));
    const write = (digest: string) =>
      run(sql.insertInto('blob').values({ digest, size: 1, stored_at: 1, doomed_at: null }));
    await Promise.all(nodes.map((node, index) => node.write(() => write(`d${index}`))));
    for (const node of nodes) {
      const rows = await node.read(() => all(sql.selectFrom('blob').select('digest')));
      assert.equal(rows.length, 4, 'what one node has written is seen by the next read of every other');
    }
    const names = await query(url, 'SELECT name FROM schema_migration ORDER BY number');
    assert.deepEqual(
      names.map(({ name }) => name),
      (await readdir(MIGRATIONS_DIR)).filter((name) => name.endsWith('.sql')).sort(),
    );
  });

  it('has nothing of a migration that failed in its middle', async (t) => {
    const url = await postgres.database();
    const migrationsDir = await copied(t);
    await writeFile(
      join(migrationsDir, '0901_bad.sql'),
      'CREATE TABLE half (id TEXT);\nINSERT INTO nowhere VALUES (1);',
    );
    await assert.rejects(open(t, { url, migrationsDir }), /nowhere/);
    assert.deepEqual(await query(url, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'"), []);
    await writeFile(join(migrationsDir, '0901_bad.sql'), 'CREATE TABLE half (id TEXT);');
    await open(t, { url, migrationsDir });
    await assert.rejects(open(t, { url }), saying(/newer version of this program/));
  });

  it('orders text by its bytes, whatever the collation of the database', async (t) => {
    const url = await postgres.database("TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' ENCODING 'UTF8'");
    const catalog = await open(t, { url });
    const digests = ['B', 'a-c', 'aB', 'ab', 'b', 'ä'];
    const rows = digests.map((digest) => ({ digest, size: 1, stored_at: 1, doomed_at: null }));
    await catalog.write(() => run(sql.insertInto('blob').values(rows)));
    const sorted = await catalog.read(() => all(sql.selectFrom('blob').select('digest').orderBy('digest')));
    assert.deepEqual(
      sorted.map(({ digest }) => digest),
      digests,
    );
  });

  it('says in a sentence what is wrong with the address', async (t) => {
    const url = await postgres.database();
    await assert.rejects(open(t, { url: url.replace('//app@', '//nobody@') }), saying(/does not let this user in/));
    await assert.rejects(open(t, { url: url.replace(/\/t_\d+\?/, '/nothing?') }), saying(/There is no such database/));
    await assert.rejects(open(t, { url: await answering(t, '28P01'), password: 'x' }), saying(/user or the password/));
    const plain = { url: await answering(t, undefined), tls: 'require' } as const;
    await assert.rejects(open(t, plain), saying(/does not offer encrypted connections/));
  });

  it('says in a sentence that it cannot be used', async (t) => {
    const ascii = await postgres.database("TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'");
    await assert.rejects(open(t, { url: ascii }), saying(/encoded in SQL_ASCII/));
    const old = await postgres.database();
    await query(old, 'CREATE SCHEMA fake');
    await query(old, `CREATE FUNCTION fake.current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT '140011' $$`);
    await query(old, `ALTER ROLE app IN DATABASE ${old.match(/t_\d+/)?.[0]} SET search_path = fake, pg_catalog`);
    await assert.rejects(open(t, { url: old }), saying(/PostgreSQL 14; this program needs 15 or newer/));
    const clock = new FakeClock(Date.now() - 90_000);
    const skewed = { url: await postgres.database(), clock };
    await assert.rejects(open(t, skewed), saying(/differ by (90|91) s/));
  });

  it('waits a little for a server that is not there yet, and then says so', async (t) => {
    const gone = 'postgres://app@127.0.0.1:1/app';
    await assert.rejects(open(t, { url: gone, patienceMs: 0 }), CatalogUnavailableError);
    const clock = new FakeClock();
    const opening = assert.rejects(open(t, { url: gone, patienceMs: 1000, clock }), CatalogUnavailableError);
    for (let times = 0; times < 2; times += 1) {
      await clock.untilSleeping();
      await clock.advance(500);
    }
    await opening;
  });

  it('is spoken to in secret where that is asked for, and its certificate is checked', async (t) => {
    const { url, authority } = await postgresWithTls(t, await postgres.database());
    for (const how of [{ tls: 'require' }, { tls: 'verify', ca: authority }] as const) {
      const catalog = await open(t, { url, ...how });
      assert.equal(await catalog.read(() => first(sql.selectFrom('blob').selectAll())), undefined);
    }
    for (const how of [{ tls: 'verify' }, { tls: 'verify', ca: issued().authority }] as const) {
      await assert.rejects(open(t, { url, ...how }), saying(/The certificate of the database is not trusted/));
    }
    await assert.rejects(open(t, { url, tls: 'off' }), CatalogUnavailableError);
  });

  it('takes a password apart from the address', async (t) => {
    const url = await postgres.database();
    const catalog = await open(t, { url, password: 'p&ss=wörd' });
    assert.equal(await catalog.read(() => first(sql.selectFrom('blob').selectAll())), undefined);
  });
});

async function open(t: TestContext, options: Partial<PostgresOptions> & { readonly url: string }) {
  const catalog = await openPostgres({ migrationsDir: MIGRATIONS_DIR, patienceMs: 0, ...options });
  t.after(() => catalog.close());
  return catalog;
}

function saying(sentence: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CatalogUnusableError, String(error));
    assert.match(error.message, sentence);
    return true;
  };
}

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

/** A server that refuses every session with that SQLSTATE, and encryption. */
async function answering(t: TestContext, code: string | undefined): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (bytes) => {
      // https://www.postgresql.org/docs/current/protocol-message-formats.html: SSLRequest, else StartupMessage
      if (bytes.length === 8) return socket.end('N');
      const fields = Buffer.from(`SFATAL\0C${code ?? '08004'}\0Mno\0\0`);
      const head = Buffer.alloc(5);
      head.write('E');
      head.writeInt32BE(fields.length + 4, 1);
      return socket.end(Buffer.concat([head, fields]));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise((resolve) => server.close(resolve)));
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return `postgres://app@127.0.0.1:${address.port}/app`;
}

async function copied(t: TestContext): Promise<string> {
  const dir = join(await tempDir(t), 'migrations');
  await mkdir(dir);
  for (const name of await readdir(MIGRATIONS_DIR)) await copyFile(join(MIGRATIONS_DIR, name), join(dir, name));
  return dir;
}
