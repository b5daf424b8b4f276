import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql as fragment } from 'kysely';
import { all, type Query, run, type Script } from './catalog.ts';
import { CatalogUnusableError } from './errors.ts';
import { sql } from './schema.ts';

/** One file of `migrations/`. */
export interface Migration {
  /** Position in the order; the digits that the file name begins with. */
  readonly number: number;
  /** The file's name. */
  readonly name: string;
  /** SHA-256 of its statements, so that comments may be improved later and statements may not. */
  readonly checksum: string;
  readonly statements: readonly string[];
}

/** Reads the migrations in `folder`, in order of their numbers. */
export async function readMigrations(folder: string): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name)).sort();
  const migrations: Migration[] = [];
  for (const name of names) {
    const statements = splitStatements(await readFile(join(folder, name), 'utf8'));
    const checksum = createHash('sha256').update(statements.join(';\n')).digest('hex');
    migrations.push({ number: Number(name.slice(0, 4)), name, checksum, statements });
  }
  return migrations;
}

/** How a database wants a portable DDL statement to be said. */
export type Phrasing = (statement: string) => string;

/**
 * Brings the schema up to date: every migration that is missing, in order. Run as one transaction, so all or none. Answers the
 * names of those it applied. Throws `CatalogUnusableError` when the schema is newer than, or differs from, what `migrations` says.
 */
export function* migrate(
  migrations: readonly Migration[],
  { now, phrase }: { readonly now: number; readonly phrase: Phrasing },
): Script<readonly string[]> {
  yield raw(
    phrase(
      'CREATE TABLE IF NOT EXISTS schema_migration (number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)',
    ),
  );
  const known = new Map(migrations.map((migration) => [migration.number, migration]));
  const applied = yield* all(sql.selectFrom('schema_migration').selectAll().orderBy('number'));
  for (const row of applied) {
    const ours = known.get(row.number);
    if (ours === undefined) {
      throw new CatalogUnusableError(
        `The catalog was last used by a newer version of this program (its schema has ${row.name}, this version does not know that). Use that version, or restore a backup made before the upgrade.`,
      );
    }
    if (ours.checksum !== row.checksum) {
      throw new CatalogUnusableError(
        `The catalog's schema was made by another ${ours.name} than the one in this version. Use the version that made it.`,
      );
    }
  }
  const done = new Set(applied.map((row) => row.number));
  const missing = migrations.filter((migration) => !done.has(migration.number));
  for (const { number, name, checksum, statements } of missing) {
    for (const statement of statements) yield raw(phrase(statement));
    yield* run(sql.insertInto('schema_migration').values({ number, name, checksum, applied_at: now }));
  }
  return missing.map(({ name }) => name);
}

function raw(statement: string): Query {
  return { statement: fragment.raw(statement) };
}

/** The statements of an SQL text, without comments and without needless white space. Knows strings; no triggers, no functions. */
function splitStatements(text: string): readonly string[] {
  const statements: string[] = [];
  let statement = '';
  for (const [part] of text.matchAll(/'(?:[^']|'')*'|--[^\n]*|\s+|;|[^'\s;-]+|-/g)) {
    if (part === ';') {
      if (statement.trim() !== '') statements.push(statement.trim());
      statement = '';
    } else if (part.startsWith('--') || /^\s/.test(part)) {
      if (!statement.endsWith(' ')) statement += ' ';
    } else {
      statement += part;
    }
  }
  if (statement.trim() !== '') statements.push(statement.trim());
  return statements;
}
