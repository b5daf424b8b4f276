import type { Compilable, OperationNode, OperationNodeSource } from 'kysely';

/** A statement to be run: built by kysely, compiled by the driver for its dialect. */
export interface Query {
  readonly statement: OperationNodeSource;
  /** Of a statement made by `prepared`: what its parameters stand for this time. */
  readonly values?: Values;
}

/** Parameters by name. */
export type Values = Readonly<Record<string, string | number | null>>;

/** What a statement came to. */
export interface Outcome {
  readonly rows: readonly unknown[];
  /** Rows inserted, updated or deleted. */
  readonly changes: number;
}

/** A unit of catalog work: yields queries, is handed their outcome, returns a value. Does no other I/O, catches no error of a query. */
export type Script<T> = Generator<Query, T, Outcome>;

/**
 * The one door to the database. Both methods reject with what the script throws, as it is, and else with
 * `CatalogUnavailableError`, `CatalogFullError` (writes) or `CatalogQueryError` (a statement that the database refuses).
 */
export interface Catalog {
  /**
   * Runs a script that only reads. Each query sees what is committed when it runs; two queries of one script may see different
   * states. What has to hold together is read in one query, or in `write`.
   */
  read<T>(script: () => Script<T>): Promise<T>;
  /**
   * Runs a script as one transaction, wholly or not at all, as if no other ran beside it; durable once it resolves. After a
   * conflict it may be run again, so it makes its changes through queries only.
   */
  write<T>(script: () => Script<T>): Promise<T>;
  /**
   * Another number whenever something may have been written, where nobody but this process writes: what was read at one holds for as
   * long as it stays. Absent where others write as well.
   */
  readonly version?: number | undefined;
  close(): Promise<void>;
}

/** A statement whose rows are `T`. */
export type Statement<T> = (Compilable<T> & OperationNodeSource) | Bound<T>;

/** A statement made by `prepared`, with the values of this run. */
export interface Bound<T> extends Query {
  readonly values: Values;
  /** Never there; carries the type. */
  readonly row?: T;
}

/** Every row of a query. */
export function* all<T>(statement: Statement<T>): Script<readonly T[]> {
  const outcome = yield query(statement);
  return outcome.rows as readonly T[];
}

/** The first row of a query, or `undefined`. */
export function* first<T>(statement: Statement<T>): Script<T | undefined> {
  const outcome = yield query(statement);
  return outcome.rows[0] as T | undefined;
}

/** Runs a statement for its effect; answers the number of rows it changed. */
export function* run(statement: Statement<unknown>): Script<number> {
  const outcome = yield query(statement);
  return outcome.changes;
}

/**
 * A statement for the request path: built once, compiled once per driver, run with new values each time.
 *
 * `const find = prepared((p: { digest: string }) => sql.selectFrom('blob').selectAll().where('digest', '=', p.digest));`
 * `const row = yield* first(find({ digest }));`
 *
 * The parameters are placeholders while it is built: they may be passed on as values, but not looked at, and not be null in a
 * comparison with `is`. Keep the result in a constant of the module: each call of `prepared` is a statement of its own.
 */
export function prepared<P extends Values, T>(
  build: (parameters: P) => Compilable<T> & OperationNodeSource,
): (values: P) => Bound<T> {
  let statement: OperationNodeSource | undefined;
  return (values) => {
    statement ??= new Built(build(PLACEHOLDERS as P));
    return { statement, values };
  };
}

/** Stands in a statement made by `prepared` where a value will be. For drivers. */
export class Placeholder {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

// Hands out a placeholder for whatever name is asked for.
const PLACEHOLDERS: unknown = new Proxy(
  {},
  {
    get: (_target, name) => new Placeholder(String(name)),
    ownKeys: () => {
      throw new TypeError('the parameters of a prepared statement are named one by one, not spread');
    },
  },
);

/** A statement that is finished: its tree is made once. */
class Built implements OperationNodeSource {
  readonly #node: OperationNode;
  constructor(source: OperationNodeSource) {
    this.#node = source.toOperationNode();
  }
  toOperationNode(): OperationNode {
    return this.#node;
  }
}

function query<T>(statement: Statement<T>): Query {
  return 'values' in statement && !('compile' in statement)
    ? statement
    : { statement: statement as OperationNodeSource };
}
