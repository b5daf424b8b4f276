import type { Catalog, Script } from '../catalog/catalog.ts';
import { CatalogQueryError } from '../catalog/errors.ts';
import { putRows, type Row, type RowKey, removeRows, rowKey, rowsOf, type Stretch } from '../catalog/row-pages.ts';
import type { TableShape } from '../catalog/table-shapes.ts';
import { MoveError } from './errors.ts';
import { PageSize } from './page-size.ts';

export interface SyncParts {
  readonly source: Pick<Catalog, 'read'>;
  readonly target: Pick<Catalog, 'read' | 'write'>;
  readonly signal: AbortSignal;
  /** Of rows that the target does not have: those that may go there now, in parts as they become ready. All at once when absent. */
  readonly admit?: (rows: readonly Row[]) => AsyncIterable<readonly Row[]>;
  /** Told of rows that were looked at, now and then. */
  readonly onRows?: (count: number) => void;
}

/** What came of making one table like another. */
export interface TableSync {
  /** Rows put in or changed. */
  readonly written: number;
  readonly removed: number;
  /** Rows that another row was in the way of; a second run will find it gone. */
  readonly postponed: number;
}

/**
 * Makes the target's table like the source's, in pages by primary key: what is there and equal is read and left alone, so a run that
 * was broken off is gone on with by running again. With the source at rest, a run that changes nothing has compared every row.
 */
export async function syncTable(table: TableShape, parts: SyncParts): Promise<TableSync> {
  const { source, signal, onRows } = parts;
  const size = new PageSize();
  let sum: TableSync = { written: 0, removed: 0, postponed: 0 };
  let after: RowKey | undefined;
  for (;;) {
    signal.throwIfAborted();
    const { limit } = size;
    const from = after;
    const page = (await source.read(() => rowsOf(table, { after: from }, limit))).map((row) => storable(table, row));
    size.learn(page);
    const last = page.at(-1);
    const upTo = page.length < limit || last === undefined ? undefined : rowKey(table, last);
    const { missing, changed, extra } = await difference(table, page, { ...parts, stretch: { after, upTo }, size });
    await parts.target.write(() => removeRows(table, extra));
    let postponed = await put(parts, table, changed);
    let written = changed.length - postponed;
    for await (const rows of parts.admit?.(missing) ?? [missing]) {
      const stopped = await put(parts, table, rows);
      postponed += stopped;
      written += rows.length - stopped;
    }
    sum = {
      written: sum.written + written,
      removed: sum.removed + extra.length,
      postponed: sum.postponed + postponed,
    };
    onRows?.(page.length);
    if (upTo === undefined) return sum;
    after = upTo;
  }
}

/** How the target's stretch differs from the rows that it should have. */
async function difference(
  table: TableShape,
  page: readonly Row[],
  { target, stretch, size }: SyncParts & { readonly stretch: Stretch; readonly size: PageSize },
): Promise<{ readonly missing: readonly Row[]; readonly changed: readonly Row[]; readonly extra: readonly RowKey[] }> {
  const wanted = new Map(page.map((row) => [JSON.stringify(rowKey(table, row)), row]));
  const changed: Row[] = [];
  const extra: RowKey[] = [];
  let { after } = stretch;
  for (;;) {
    const { limit } = size;
    const from = after;
    const there = await target.read(() => rowsOf(table, { ...stretch, after: from }, limit));
    for (const row of there) {
      const key = rowKey(table, row);
      const id = JSON.stringify(key);
      const should = wanted.get(id);
      wanted.delete(id);
      if (should === undefined) extra.push(key);
      else if (!isEqual(should, row)) changed.push(should);
    }
    const last = there.at(-1);
    if (there.length < limit || last === undefined) return { missing: [...wanted.values()], changed, extra };
    after = rowKey(table, last);
  }
}

/** Answers how many could not be put in because of a row that is not like its source yet. */
async function put({ target }: SyncParts, table: TableShape, rows: readonly Row[]): Promise<number> {
  if (rows.length === 0) return 0;
  if (await tried(target, () => putRows(table, rows))) return 0;
  let postponed = 0;
  for (const row of rows) if (!(await tried(target, () => putRows(table, [row])))) postponed += 1;
  return postponed;
}

async function tried(target: SyncParts['target'], script: () => Script<void>): Promise<boolean> {
  try {
    await target.write(script);
    return true;
  } catch (error) {
    // Such as a unique value that an older row still has.
    if (error instanceof CatalogQueryError) return false;
    throw error;
  }
}

function isEqual(one: Row, other: Row): boolean {
  return Object.keys(one).every((column) => one[column] === other[column]);
}

/** As both engines can keep it: PostgreSQL has no NUL in text. */
function storable(table: TableShape, row: Row): Row {
  const holdsNul = (value: unknown): boolean => typeof value === 'string' && value.includes('\0');
  if (!Object.values(row).some(holdsNul)) return row;
  if (rowKey(table, row).some(holdsNul)) throw new MoveError(`A key in the table ${table.name} holds a NUL character.`);
  const entries = Object.entries(row).map(([column, value]) => [
    column,
    typeof value === 'string' ? value.replaceAll('\0', '\ufffd') : value,
  ]);
  return Object.fromEntries(entries) as Row;
}
