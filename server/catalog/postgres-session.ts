import { PostgresQueryCompiler } from 'kysely';
import type { QueryResult } from 'pg';
import type { Outcome, Query, Script } from './catalog.ts';
import { ScriptCompiler } from './compile.ts';
import { CatalogQueryError } from './errors.ts';
import { PostgresFault } from './postgres-errors.ts';
import type { Connection } from './postgres-pool.ts';
import type { StatementNames } from './statement-names.ts';

// Compiling keeps no state but the trees of prepared statements, so all sessions of the process share one.
const compiler = new ScriptCompiler(new PostgresQueryCompiler());

export interface SessionOptions {
  /** Which statements the server keeps prepared; none when absent. */
  readonly names?: StatementNames;
  /** How long to wait for an answer, milliseconds; as the pool says when absent. */
  readonly timeoutMs?: number;
}

/** Talks to the server over one connection. Every failure of server or line is a `PostgresFault`. */
export class PostgresSession {
  readonly #connection: Connection;
  readonly #options: SessionOptions;

  constructor(connection: Connection, options: SessionOptions = {}) {
    this.#connection = connection;
    this.#options = options;
  }

  /** Runs a script over this connection. */
  async drive<T>(script: () => Script<T>, mode: 'read' | 'write'): Promise<T> {
    const steps = script();
    let step = steps.next();
    while (step.done !== true) step = steps.next(await this.#run(step.value, mode));
    return step.value;
  }

  /** One statement, or several without values, then the outcome is the last one's. */
  async ask(text: string, values?: readonly unknown[]): Promise<QueryResult> {
    return await this.#query({ text, ...(values && { values: [...values] }) });
  }

  /** Undoes the transaction under way, if the line still bears it. */
  async rollBack(): Promise<void> {
    try {
      await this.ask('ROLLBACK');
    } catch (error) {
      // The server undoes it when it finds the connection gone; what failed before is what the caller wants to know.
      if (!(error instanceof PostgresFault)) throw error;
    }
  }

  async #run(query: Query, mode: 'read' | 'write'): Promise<Outcome> {
    const { sql, parameters, writes } = compiler.compile(query);
    if (writes && mode === 'read') throw new CatalogQueryError('a script that only reads tried to write', sql);
    const name = this.#options.names?.nameOf(sql);
    const values = parameters.map(storable);
    const result = await this.#query({ text: sql, values, ...(name === undefined ? {} : { name }) });
    return { rows: result.rows, changes: writes ? (result.rowCount ?? 0) : 0 };
  }

  async #query(config: {
    readonly text: string;
    readonly values?: unknown[];
    readonly name?: string;
  }): Promise<QueryResult> {
    const { timeoutMs } = this.#options;
    const timed = timeoutMs === undefined ? config : { ...config, query_timeout: timeoutMs };
    try {
      const result: QueryResult | QueryResult[] = await this.#connection.query(timed);
      return Array.isArray(result) ? (result.at(-1) as QueryResult) : result;
    } catch (cause) {
      throw new PostgresFault(cause, config.text);
    }
  }
}

/** Text has no NUL here (https://www.postgresql.org/docs/current/datatype-character.html): what holds one finds nothing. */
function storable(value: unknown): unknown {
  return typeof value === 'string' && value.includes('\0') ? value.replaceAll('\0', '\ufffd') : value;
}
