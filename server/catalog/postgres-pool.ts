import pg from 'pg';
import { CatalogUnavailableError } from './errors.ts';
import { PostgresFault } from './postgres-errors.ts';

/** How to reach the database. */
export interface PostgresSettings {
  /** `postgres://user@host:port/database`, with `?sslmode=` when `tls` is `url`; or a socket: `postgres://user@/database?host=DIR`. */
  readonly url: string;
  /** When it is not part of `url`. */
  readonly password?: string;
  /** Connections at most; 10 when absent. */
  readonly poolSize?: number;
  /** Milliseconds to wait for a connection, new or free; 5,000 when absent. */
  readonly connectTimeoutMs?: number;
  /** Milliseconds that one statement may take; 30,000 when absent. */
  readonly statementTimeoutMs?: number;
  /** `url`: as `sslmode` says. `require`: encrypted. `verify`: and the certificate is checked, by `ca` when there is one. */
  readonly tls?: 'url' | 'off' | 'require' | 'verify';
  /** PEM of the authority that `verify` trusts. */
  readonly ca?: string;
}

/** A connection that is ours for the moment. */
export type Connection = pg.PoolClient;

const INT8 = 20;
const NUMERIC = 1700;

/** A bounded number of connections, made when they are needed. */
export class PostgresPool {
  readonly #pool: pg.Pool;
  readonly #active = new Set<Promise<unknown>>();
  #isAway = false;
  #isProbing = false;
  #closing: Promise<void> | undefined;

  constructor(settings: PostgresSettings) {
    const { connectTimeoutMs = 5000, statementTimeoutMs = 30_000 } = settings;
    this.#pool = new pg.Pool({
      connectionString: addressOf(settings),
      ...tlsOf(settings),
      max: settings.poolSize ?? 10,
      connectionTimeoutMillis: connectTimeoutMs,
      statement_timeout: statementTimeoutMs,
      // The server gives up first; this is for a line on which nothing comes any more.
      query_timeout: statementTimeoutMs + 1000,
      idle_in_transaction_session_timeout: statementTimeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      idleTimeoutMillis: 60_000,
      application_name: 'stormcellar',
      types: { getTypeParser: typeParser },
    });
    // An idle connection that breaks is dropped by the pool; the next one who needs it gets a new one.
    this.#pool.on('error', () => {});
  }

  /**
   * Lends a connection. `work` throws `PostgresFault` for what the server or the line did; then the connection is kept only if it is
   * still good. Throws `PostgresFault` when none can be had; at once while the server is known to be away, but for one who tries.
   */
  async use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new CatalogUnavailableError('The catalog is closed');
    const using = this.#use(work);
    this.#active.add(using);
    try {
      return await using;
    } finally {
      this.#active.delete(using);
    }
  }

  /** Waits for those who have a connection. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    while (this.#active.size > 0) await Promise.allSettled(this.#active);
    await this.#pool.end();
  }

  async #use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.#connect();
    let isBroken = false;
    const onBreak = (): void => {
      isBroken = true;
    };
    connection.on('error', onBreak);
    try {
      return await work(connection);
    } catch (error) {
      if (error instanceof PostgresFault && error.isLost) isBroken = true;
      throw error;
    } finally {
      connection.off('error', onBreak);
      connection.release(isBroken);
    }
  }

  async #connect(): Promise<Connection> {
    const isProbe = this.#isAway;
    if (isProbe && this.#isProbing)
      throw new PostgresFault(new Error('the server was not there a moment ago'), 'connect');
    this.#isProbing = isProbe;
    try {
      const connection = await this.#pool.connect();
      this.#isAway = false;
      return connection;
    } catch (cause) {
      // Nobody has given a connection back in time: the server is there, and busy.
      const isCrowded = cause instanceof Error && cause.message.startsWith('timeout exceeded');
      if (!isCrowded) this.#isAway = true;
      throw new PostgresFault(cause, 'connect');
    } finally {
      if (isProbe) this.#isProbing = false;
    }
  }
}

function typeParser(
  ...[oid, format]: Parameters<typeof pg.types.getTypeParser>
): ReturnType<typeof pg.types.getTypeParser> {
  return oid === INT8 || oid === NUMERIC ? Number : pg.types.getTypeParser(oid, format);
}

/** The password goes in as a parameter: what the address says, were it only an empty text, wins over other settings. */
function addressOf({ url, password, tls = 'url' }: PostgresSettings): string {
  const address = tls === 'url' ? url : url.replace(/([?&])sslmode=[^&]*&?/, '$1');
  if (password === undefined) return address;
  return `${address}${address.includes('?') ? '&' : '?'}password=${encodeURIComponent(password)}`;
}

function tlsOf({ tls = 'url', ca }: PostgresSettings): pg.PoolConfig {
  if (tls === 'url') return {};
  if (tls === 'off') return { ssl: false };
  return { ssl: { rejectUnauthorized: tls === 'verify', ...(ca === undefined ? {} : { ca }) } };
}
