import { systemClock } from '../clock.ts';
import type { Catalog, Script } from './catalog.ts';
import { CatalogUnavailableError } from './errors.ts';
import { PostgresFault, translate } from './postgres-errors.ts';
import type { PostgresPool } from './postgres-pool.ts';
import { PostgresSession } from './postgres-session.ts';
import { Semaphore } from './semaphore.ts';
import { StatementNames } from './statement-names.ts';

// Pauses are for a real server and other nodes, so they are always taken in real time.
const LOST_TRIES = 4;
const CONFLICT_TRIES = 40;
const TAKEN_TRIES = 3;
const LONGEST_PAUSE_MS = 200;
/** How long to find out what became of a commit whose answer was lost. */
const OUTCOME_TRIES = 50;
const OUTCOME_PAUSE_MS = 200;
const CLOSE_MS = 5000;

/**
 * Runs scripts over a pool. Reads are single statements, each on its own; what may be read twice is tried again over another
 * connection when one breaks. Writes are serializable transactions, so scripts need no locks; after a conflict they run again.
 */
export class PostgresCatalog implements Catalog {
  readonly #pool: PostgresPool;
  readonly #names = new StatementNames();
  /** Writes wait for each other before they take a connection, so that reads always find one. */
  readonly #writers: Semaphore;

  constructor(pool: PostgresPool, { writers }: { readonly writers: number }) {
    this.#pool = pool;
    this.#writers = new Semaphore(writers);
  }

  async read<T>(script: () => Script<T>): Promise<T> {
    return await this.#trying(() => this.#pool.use((connection) => this.#session(connection).drive(script, 'read')));
  }

  async write<T>(script: () => Script<T>): Promise<T> {
    return await this.#writers.run(() => this.#trying(() => this.#transact(script)));
  }

  async close(): Promise<void> {
    await this.#writers.idle();
    // A server that is away does not take leave.
    await Promise.race([this.#pool.close(), systemClock.sleep(CLOSE_MS)]);
  }

  #session(connection: ConstructorParameters<typeof PostgresSession>[0]): PostgresSession {
    return new PostgresSession(connection, { names: this.#names });
  }

  /** Tries again what conflicts undid or a broken connection prevented; puts what remains into the catalog's words. */
  async #trying<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof PostgresFault)) throw error;
        if (attempt >= triesAfter(error)) throw translate(error);
        const pauseMs = Math.min(2 ** attempt, LONGEST_PAUSE_MS);
        await systemClock.sleep(Math.ceil(pauseMs * (0.5 + Math.random())));
      }
    }
  }

  async #transact<T>(script: () => Script<T>): Promise<T> {
    let transaction = '';
    let result: T | undefined;
    let isCommitting = false;
    try {
      await this.#pool.use(async (connection) => {
        const session = this.#session(connection);
        try {
          const begun = await session.ask(
            'BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT pg_current_xact_id()::text AS id',
          );
          transaction = (begun.rows[0] as { id: string }).id;
          result = await session.drive(script, 'write');
          isCommitting = true;
          await session.ask('COMMIT');
          isCommitting = false;
        } catch (error) {
          // A connection that is lost is closed, which undoes as well.
          if (!(error instanceof PostgresFault && error.isLost)) await session.rollBack();
          throw error;
        }
      });
    } catch (error) {
      const isOpen = isCommitting && error instanceof PostgresFault && error.isLost;
      if (!isOpen || !(await this.#wasCommitted(transaction))) throw error;
    }
    return result as T;
  }

  /** Asks, over another connection, what became of a commit whose answer did not come. */
  async #wasCommitted(transaction: string): Promise<boolean> {
    for (let attempt = 1; attempt <= OUTCOME_TRIES; attempt += 1) {
      try {
        const { rows } = await this.#pool.use((connection) =>
          new PostgresSession(connection).ask('SELECT pg_xact_status($1::text::xid8) AS status', [transaction]),
        );
        const { status } = rows[0] as { status: string | null };
        if (status === 'committed') return true;
        if (status === 'aborted') return false;
      } catch (error) {
        if (!(error instanceof PostgresFault) || !error.isLost) throw error;
      }
      await systemClock.sleep(OUTCOME_PAUSE_MS);
    }
    throw new CatalogUnavailableError(
      'The connection broke while a change was being committed: it may have been made or not',
    );
  }
}

function triesAfter(fault: PostgresFault): number {
  if (fault.isConflict) return CONFLICT_TRIES;
  if (fault.isTaken) return TAKEN_TRIES;
  return fault.isLost ? LOST_TRIES : 0;
}
