import type { Compilable, CompiledQuery } from 'kysely';

/** A statement to be run: built by kysely, compiled by the driver for its dialect. */
export interface Query {
  readonly statement: Compilable;
}

/** What a statement came to. */
export interface Outcome {
  readonly rows: readonly unknown[];
  /** Rows inserted, updated or deleted. */
  readonly changes: number;
}

/** A unit of catalog work: yields queries, is handed their outcome, returns a value. Does no other I/O. */
export type Script<T> = Generator<Query, T, Outcome>;

/** The one door to the database. */
export interface Catalog {
  /** Runs a script that only reads. */
  read<T>(script: () => Script<T>): Promise<T>;
  /** Runs a script as one transaction, wholly or not at all. After a conflict it may be run again. */
  write<T>(script: () => Script<T>): Promise<T>;
  close(): Promise<void>;
}

/** Every row of a query. */
export function* all<T>(statement: Compilable<T>): Script<readonly T[]> {
  const outcome = yield { statement };
  return outcome.rows as readonly T[];
}

/** The first row of a query, or `undefined`. */
export function* first<T>(statement: Compilable<T>): Script<T | undefined> {
  const outcome = yield { statement };
  return outcome.rows[0] as T | undefined;
}

/** Runs a statement for its effect; answers the number of rows it changed. */
export function* run(statement: Compilable): Script<number> {
  const outcome = yield { statement };
  return outcome.changes;
}

export type { CompiledQuery };
