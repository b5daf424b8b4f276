import type { Migration } from './migrate.ts';

/** A table as the migrations make it. */
export interface TableShape {
  readonly name: string;
  /** Columns of the primary key, in its order. */
  readonly key: readonly string[];
  /** Rows that migrations have put into it. */
  readonly seeded: number;
}

/** Of the programme itself, made new in every catalog. */
const OWN: ReadonlySet<string> = new Set(['cellar_state']);

/**
 * The tables that the migrations make, in the order of their names, without those that speak of one catalog alone. Throws when one
 * has no primary key or a statement is not of the kinds that `migrations/README.md` allows.
 */
export function tableShapes(migrations: readonly Migration[]): readonly TableShape[] {
  const shapes = new Map<string, TableShape>();
  for (const { name: file, statements } of migrations) {
    for (const statement of statements) {
      const [, verb = '', table = '', rest = ''] =
        /^(CREATE TABLE(?: IF NOT EXISTS)?|DROP TABLE(?: IF EXISTS)?|ALTER TABLE|INSERT INTO) "?(\w+)"?(.*)$/is.exec(
          statement,
        ) ?? [];
      if (/^CREATE/i.test(verb)) shapes.set(table, { name: table, key: keyOf(table, rest), seeded: 0 });
      else if (/^DROP/i.test(verb)) shapes.delete(table);
      else if (/^ALTER/i.test(verb) && /\bRENAME\b/i.test(rest)) throw new Error(`${file} renames in ${table}`);
      else if (/^INSERT/i.test(verb)) {
        const shape = shapes.get(table);
        if (shape !== undefined) shapes.set(table, { ...shape, seeded: shape.seeded + 1 });
      }
    }
  }
  return [...shapes.values()].filter(({ name }) => !OWN.has(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function keyOf(table: string, definition: string): readonly string[] {
  const whole = /\bPRIMARY KEY \(([^)]*)\)/i.exec(definition)?.[1];
  const single = /[(,]\s*"?(\w+)"?\s+[^,()]*\bPRIMARY KEY\b/i.exec(definition)?.[1];
  const key =
    whole === undefined ? (single === undefined ? [] : [single]) : whole.split(',').map((name) => name.trim());
  if (key.length === 0) throw new Error(`the table ${table} has no primary key`);
  return key;
}
