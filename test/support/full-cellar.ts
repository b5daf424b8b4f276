import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Catalog } from '../../server/catalog/catalog.ts';
import { readMigrations } from '../../server/catalog/migrate.ts';
import { putRows, type Row, rowKey, rowsOf, type Value } from '../../server/catalog/row-pages.ts';
import { openSqlite } from '../../server/catalog/sqlite.ts';
import { type TableShape, tableShapes } from '../../server/catalog/table-shapes.ts';
import type { BlobStore } from '../../storage/blob-store.ts';
import { digestOf, spooled } from './spooled.ts';
import { makeTempDir } from './temp-dir.ts';
import { MIGRATIONS_DIR } from './test-catalog.ts';

interface Column {
  readonly name: string;
  readonly isText: boolean;
  readonly isNullable: boolean;
}

/** Texts whose order, or whose way through a database, could be taken for another. */
const TEXTS = ['a', 'B', 'é', 'ｆ', '\u{1f40d}', 'z\u0001', ' ', '%_\\', "'", '{"json": [1, null]}', 'Ω\n"x"', '-'];

/** The tables of a cellar, and the columns that each has. */
async function knownTables(): Promise<readonly (TableShape & { readonly columns: readonly Column[] })[]> {
  const { dir, remove } = await makeTempDir();
  try {
    const path = join(dir, 'catalog.sqlite');
    await (await openSqlite({ path, migrationsDir: MIGRATIONS_DIR })).close();
    const database = new Database(path);
    const columnsOf = database.prepare<[string], { name: string; type: string; notnull: number }>(
      'SELECT name, type, "notnull" FROM pragma_table_info(?)',
    );
    const tables = tableShapes(await readMigrations(MIGRATIONS_DIR)).map((shape) => ({
      ...shape,
      columns: columnsOf.all(shape.name).map(({ name, type, notnull }) => ({
        name,
        isText: type === 'TEXT',
        isNullable: notnull === 0,
      })),
    }));
    database.close();
    return tables;
  } finally {
    await remove();
  }
}

/** Puts `count` rows into every table; those of `blob`, and the rows that name blobs, have bytes in the store. */
export async function fillCellar(
  { catalog, blobs, spoolDir }: { readonly catalog: Catalog; readonly blobs: BlobStore; readonly spoolDir: string },
  count: number,
): Promise<void> {
  const digests: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const bytes = bytesOf(index);
    digests.push(digestOf(bytes));
    await blobs.put(await spooled(spoolDir, bytes));
  }
  for (const table of await knownTables()) {
    const rows = Array.from({ length: count }, (_, index): Row => {
      const cells = table.columns.map((column): [string, Value] => {
        if (column.name === 'digest') return ['digest', digests[index] ?? null];
        if (table.name === 'blob' && column.name === 'size') return ['size', bytesOf(index).length];
        if (column.name === 'doomed_at' || column.name === 'deleted_at') return [column.name, null];
        return [column.name, cellOf(column, index)];
      });
      return Object.fromEntries(cells);
    });
    for (let at = 0; at < rows.length; at += 100) {
      await catalog.write(() => putRows(table, rows.slice(at, at + 100)));
    }
  }
}

/** The bytes of the blob with that number; some are empty, some take several steps to read. */
export function bytesOf(index: number): Buffer {
  return Buffer.alloc(index === 1 ? 0 : index === 2 ? 700_000 : 40 + index, `blob ${index} `);
}

/** Every row of every table, in order. */
export async function allRows(catalog: Catalog): Promise<Map<string, readonly Row[]>> {
  const found = new Map<string, readonly Row[]>();
  for (const table of await knownTables()) {
    const rows: Row[] = [];
    for (;;) {
      const last = rows.at(-1);
      const after = last && rowKey(table, last);
      const page = await catalog.read(() => rowsOf(table, { after }, 1000));
      // Of one shape, whichever driver made them.
      rows.push(...page.map((row) => ({ ...row })));
      if (page.length < 1000) break;
    }
    found.set(table.name, rows);
  }
  return found;
}

function cellOf({ isText, isNullable, name }: Column, index: number): Value {
  if (isNullable && index % 3 === 0) return null;
  if (!isText) return name === 'size' || index % 5 > 0 ? index : 1_800_000_000_000 + index;
  return `${TEXTS[index % TEXTS.length]}-${index}`;
}
