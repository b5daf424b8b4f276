import { type Clock, systemClock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { Catalog } from './catalog.ts';
import { CatalogUnusableError } from './errors.ts';
import { type Migration, migrate, readMigrations } from './migrate.ts';
import { PostgresCatalog } from './postgres-catalog.ts';
import { PostgresFault, refusal, translate } from './postgres-errors.ts';
import { type Connection, PostgresPool, type PostgresSettings } from './postgres-pool.ts';
import { PostgresSession } from './postgres-session.ts';

export interface PostgresOptions extends PostgresSettings {
  /** The folder `migrations/`. */
  readonly migrationsDir: string;
  readonly clock?: Clock;
  readonly log?: Logger;
  /** How far this machine's clock may be from the database's, milliseconds; 30,000 when absent. Leases of jobs rely on it. */
  readonly maxClockSkewMs?: number;
  /** How long a database that cannot be reached yet is waited for, milliseconds; 10,000 when absent. */
  readonly patienceMs?: number;
}

/**
 * Opens, and brings up to date, a catalog on PostgreSQL 15 or newer; one node does it while others that start wait. Throws
 * `CatalogUnusableError` with a sentence for whoever starts the program, or `CatalogUnavailableError` when there is no answer.
 */
export async function openPostgres(options: PostgresOptions): Promise<Catalog> {
  const { clock = systemClock, log, patienceMs = 10_000 } = options;
  const migrations = await readMigrations(options.migrationsDir);
  const pool = new PostgresPool(options);
  try {
    const giveUpAt = clock.nowMs() + patienceMs;
    for (;;) {
      try {
        await pool.use((connection) => checkServer(connection, clock, options.maxClockSkewMs ?? 30_000));
        const applied = await pool.use((connection) => bringUpToDate(connection, migrations, clock));
        if (applied.length > 0) log?.info({ migrations: applied }, 'the catalog has the schema of this version now');
        return new PostgresCatalog(pool, { writers: Math.max(1, Math.floor((options.poolSize ?? 10) / 2)) });
      } catch (error) {
        if (!(error instanceof PostgresFault)) throw error;
        const refused = refusal(error);
        if (refused !== undefined) throw refused;
        if (!error.isLost || clock.nowMs() >= giveUpAt) throw translate(error);
        log?.info({ reason: error.message }, 'the database does not answer yet; trying again');
        await clock.sleep(500);
      }
    }
  } catch (error) {
    await pool.close();
    throw error;
  }
}

async function checkServer(connection: Connection, clock: Clock, maxSkewMs: number): Promise<void> {
  const { rows } = await new PostgresSession(connection).ask(
    `SELECT current_setting('server_version_num')::int AS version, current_setting('server_encoding') AS encoding,
      (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now`,
  );
  const { version, encoding, now } = rows[0] as { version: number; encoding: string; now: number };
  if (version < 150_000) {
    const major = Math.floor(version / 10_000);
    throw new CatalogUnusableError(`The database is PostgreSQL ${major}; this program needs 15 or newer.`);
  }
  if (encoding !== 'UTF8') {
    throw new CatalogUnusableError(`The database is encoded in ${encoding}; it has to be made with encoding UTF8.`);
  }
  const skewMs = Math.abs(now - clock.nowMs());
  if (skewMs > maxSkewMs) {
    const seconds = Math.round(skewMs / 1000);
    throw new CatalogUnusableError(
      `The clock of this machine and the clock of the database differ by ${seconds} s; set both by the same time server.`,
    );
  }
}

/** Any number, the same in every version: who holds this lock migrates. */
const MIGRATION_LOCK = 7_236_001_985;
/** Nobody knows how long a migration takes, or the wait for another node's. */
const UNLIMITED_MS = 2 ** 31 - 1;

async function bringUpToDate(
  connection: Connection,
  migrations: readonly Migration[],
  clock: Clock,
): Promise<readonly string[]> {
  const session = new PostgresSession(connection, { timeoutMs: UNLIMITED_MS });
  await session.ask('BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0');
  try {
    await session.ask('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    const applied = await session.drive(() => migrate(migrations, { now: clock.nowMs(), phrase: inBytes }), 'write');
    await session.ask('COMMIT');
    return applied;
  } catch (error) {
    await session.rollBack();
    throw error;
  }
}

/** Text compares by its bytes everywhere, whatever the database's own collation: so order means the same on every engine. */
function inBytes(ddl: string): string {
  return ddl.replaceAll(/\bTEXT\b/g, 'TEXT COLLATE "C"');
}
