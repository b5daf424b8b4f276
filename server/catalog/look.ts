import { sql as raw } from 'kysely';
import type { Digest } from '../../storage/digest.ts';
import type { ProjectName } from '../model/project-name.ts';
import { all, prepared, type Script, type Values } from './catalog.ts';
import { type ProjectState, STATE_COLUMNS, type StateRow, stateOf } from './project-state.ts';
import { sql } from './schema.ts';
import { type FileRow, type StoredFile, type StoredMetadata, storedFileOf } from './stored-files.ts';
import { tokenGeneration } from './tokens.ts';

/** A project that is looked for in every repository, and what is stored of one of its files. */
export interface Wanted {
  readonly name: ProjectName;
  readonly filename?: string | undefined;
}

/** What there is of it, by repository. */
export interface Found {
  readonly states: ReadonlyMap<string, ProjectState>;
  readonly files: ReadonlyMap<string, StoredFile>;
  readonly metadata: ReadonlyMap<string, StoredMetadata>;
}

/** What one look came to. */
export interface Sight {
  /** Of tokens. */
  readonly generation: number;
  /** In the order of what was wanted. */
  readonly found: readonly Found[];
}

/** More is not looked for at once. */
export const MOST_WANTED = 64;

/**
 * Looks for up to 64 projects, each in every repository, and for the present generation of tokens, in one statement: indexed reads, all of
 * the same moment.
 */
export function* look(wanted: readonly Wanted[]): Script<Sight> {
  if (wanted.length === 0) return { generation: yield* tokenGeneration(), found: [] };
  const rows = yield* all(lookFor(wanted));
  const [head] = rows;
  if (head === undefined) throw new Error('access_state has no generation');
  const found: Finding[] = wanted.map(() => ({ states: NONE, files: NONE, metadata: NONE }));
  for (const row of rows) {
    const { repository, position } = row;
    const one = found[position];
    // A row without a repository: nobody knows the name. A position past the end: there to fill the statement.
    if (repository === null || one === undefined) continue;
    one.states = withOne(one.states, repository, stateOf(row as StateRow));
    if (row.file_digest !== null) {
      const { file_digest: digest, file_size: size, ...rest } = row;
      one.files = withOne(one.files, repository, storedFileOf({ ...rest, digest, size } as FileRow));
    }
    if (row.metadata_digest !== null && row.metadata_size !== null) {
      const metadata = { digest: row.metadata_digest as Digest, size: row.metadata_size };
      one.metadata = withOne(one.metadata, repository, metadata);
    }
  }
  return { generation: head.generation, found };
}

type Finding = { -readonly [Key in keyof Found]: Found[Key] };

/** One for all, since most find nothing of most, and thousands are remembered. */
const NONE = new Map<string, never>();

function withOne<T>(some: ReadonlyMap<string, T>, repository: string, value: T): ReadonlyMap<string, T> {
  return new Map([...some, [repository, value]]);
}

type Statement = ReturnType<typeof statementOf>;

/** By how many it looks for, a power of two: so that there are few statements, each worth keeping prepared. */
const statements = new Map<number, Statement>();

function lookFor(wanted: readonly Wanted[]): ReturnType<Statement> {
  let places = 1;
  while (places < wanted.length) places *= 2;
  let statement = statements.get(places);
  if (statement === undefined) {
    statement = statementOf(places);
    statements.set(places, statement);
  }
  const values: Record<string, string | null> = {};
  for (let place = 0; place < places; place += 1) {
    const one = wanted[place];
    values[`name${place}`] = one?.name ?? null;
    values[`filename${place}`] = one?.filename ?? null;
  }
  return statement(values);
}

function statementOf(places: number) {
  return prepared((p: Values) => {
    const rows = Array.from(
      { length: places },
      (_, place) => raw`(${raw.lit(place)}, ${p[`name${place}`]}, ${p[`filename${place}`]})`,
    );
    return sql
      .with(
        'wanted(position, name, filename)',
        () => raw<{ position: number; name: string; filename: string | null }>`(values ${raw.join(rows)})`,
      )
      .selectFrom('access_state')
      .innerJoin('wanted', (join) => join.onTrue())
      .leftJoin('project', 'project.name', 'wanted.name')
      .leftJoin('file', (join) =>
        join
          .onRef('file.project', '=', 'project.name')
          .onRef('file.filename', '=', 'wanted.filename')
          .onRef('file.repository', '=', 'project.repository')
          .on('file.deleted_at', 'is', null),
      )
      .leftJoin('core_metadata', (join) =>
        join
          .onRef('core_metadata.project', '=', 'project.name')
          .onRef('core_metadata.filename', '=', 'wanted.filename')
          .onRef('core_metadata.repository', '=', 'project.repository'),
      )
      .where('access_state.name', '=', 'generation')
      .select(STATE_COLUMNS)
      .select([
        'access_state.value as generation',
        'wanted.position',
        'project.repository',
        'file.filename',
        'file.digest as file_digest',
        'file.size as file_size',
        'file.stored_at',
        'file.used_at',
        'file.detail',
        'core_metadata.digest as metadata_digest',
        'core_metadata.size as metadata_size',
      ]);
  });
}
