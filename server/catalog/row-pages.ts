import { sql as fragment, type Kysely, type SqlBool } from 'kysely';
import { all, first, run, type Script } from './catalog.ts';
import { sql } from './schema.ts';
import type { TableShape } from './table-shapes.ts';

/** What a column may hold. */
export type Value = string | number | null;

/** A row of any table, by column. */
export type Row = Readonly<Record<string, Value>>;

/** The values of a row's primary key, in the order of its columns. */
export type RowKey = readonly Value[];

/** A stretch of a table in the order of its primary key. */
export interface Stretch {
  /** Exclusive; absent: from the beginning. */
  readonly after?: RowKey | undefined;
  /** Inclusive; absent: to the end. */
  readonly upTo?: RowKey | undefined;
}

// The same builder, for tables whose names are known only when it runs.
const anyTable = sql as unknown as Kysely<Record<string, Row>>;

export function rowKey({ key }: TableShape, row: Row): RowKey {
  return key.map((column) => row[column] ?? null);
}

/** The first `limit` rows of a stretch. */
export function* rowsOf(table: TableShape, { after, upTo }: Stretch, limit: number): Script<readonly Row[]> {
  let query = anyTable.selectFrom(table.name).selectAll().limit(limit);
  if (after !== undefined) query = query.where(beyond(table, '>', after));
  if (upTo !== undefined) query = query.where(beyond(table, '<=', upTo));
  for (const column of table.key) query = query.orderBy(column);
  return yield* all(query);
}

export function* countRows({ name }: Pick<TableShape, 'name'>): Script<number> {
  const query = anyTable.selectFrom(name).select((eb) => eb.fn.countAll<number>().as('count'));
  return (yield* first(query))?.count ?? 0;
}

/** Puts rows in, in place of those with the same keys. */
export function* putRows(table: TableShape, rows: readonly Row[]): Script<void> {
  const [one] = rows;
  if (one === undefined) return;
  const others = Object.keys(one).filter((column) => !table.key.includes(column));
  const insert = anyTable.insertInto(table.name).values([...rows]);
  yield* run(
    insert.onConflict((conflict) => {
      const same = conflict.columns([...table.key]);
      if (others.length === 0) return same.doNothing();
      return same.doUpdateSet((eb) =>
        Object.fromEntries(others.map((column) => [column, eb.ref(`excluded.${column}`)])),
      );
    }),
  );
}

export function* removeRows(table: TableShape, keys: readonly RowKey[]): Script<void> {
  for (const key of keys) {
    let query = anyTable.deleteFrom(table.name);
    for (const [index, column] of table.key.entries()) query = query.where(column, '=', key[index] ?? null);
    yield* run(query);
  }
}

/** Rows are compared as wholes, so that the index of the key finds the stretch. */
function beyond({ key }: TableShape, operator: '>' | '<=', values: RowKey) {
  const columns = fragment.join(key.map((column) => fragment.ref(column)));
  return fragment<SqlBool>`(${columns}) ${fragment.raw(operator)} (${fragment.join([...values])})`;
}
