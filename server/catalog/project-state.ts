import type { ProjectStatus } from '../model/distribution-file.ts';
import type { ProjectName } from '../model/project-name.ts';
import { all, first, prepared, run, type Script } from './catalog.ts';
import { sql } from './schema.ts';

/** One project of one repository, without its files. */
export interface ProjectState {
  readonly name: ProjectName;
  readonly displayName: string;
  /** False: the upstream said that it does not have the name. */
  readonly present: boolean;
  /** What counts: an administrator's word before the upstream's. */
  readonly status: ProjectStatus;
  readonly isOverridden: boolean;
  readonly revision: number;
  readonly storedRevision: number;
  readonly changedAt: number;
  readonly etag: string | undefined;
  readonly checkedAt: number;
  readonly freshUntil: number;
  readonly suspectSince: number | undefined;
  /** The catalog is away: this is what it said last. */
  readonly isRemembered?: true;
}

/** What a state is made of. */
export const STATE_COLUMNS = [
  'project.name',
  'project.display_name',
  'project.present',
  'project.status',
  'project.status_override',
  'project.revision',
  'project.stored_revision',
  'project.changed_at',
  'project.etag',
  'project.checked_at',
  'project.fresh_until',
  'project.suspect_since',
] as const;

/** A row of them. */
export interface StateRow {
  readonly name: string;
  readonly display_name: string;
  readonly present: number;
  readonly status: string;
  readonly status_override: string | null;
  readonly revision: number;
  readonly stored_revision: number;
  readonly changed_at: number;
  readonly etag: string | null;
  readonly checked_at: number | null;
  readonly fresh_until: number | null;
  readonly suspect_since: number | null;
}

const stateByName = prepared((p: { repository: string; name: string }) =>
  sql.selectFrom('project').select(STATE_COLUMNS).where('name', '=', p.name).where('repository', '=', p.repository),
);

/** One row by its key: the cheap read that every page begins with. */
export function* findProjectState(repository: string, name: ProjectName): Script<ProjectState | undefined> {
  const row = yield* first(stateByName({ repository, name }));
  return row && stateOf(row);
}

/** The state that a row tells of. */
export function stateOf(row: StateRow): ProjectState {
  return {
    name: row.name as ProjectName,
    displayName: row.display_name,
    present: row.present === 1,
    status: (row.status_override ?? row.status) as ProjectStatus,
    isOverridden: row.status_override !== null,
    revision: row.revision,
    storedRevision: row.stored_revision,
    changedAt: row.changed_at,
    etag: row.etag ?? undefined,
    checkedAt: row.checked_at ?? 0,
    freshUntil: row.fresh_until ?? 0,
    suspectSince: row.suspect_since ?? undefined,
  };
}

/** Names that a repository answers for, ascending, after `after`: at most `limit`. With `storedOnly`, those with a stored file. */
export function* listProjectNames(
  repository: string,
  options: { readonly after: string; readonly limit: number; readonly storedOnly: boolean },
): Script<readonly ProjectName[]> {
  let query = sql
    .selectFrom('project')
    .select('name')
    .where('repository', '=', repository)
    .where('name', '>', options.after)
    .where('present', '=', 1)
    .where((eb) => eb(eb.fn.coalesce('status_override', 'status'), '<>', 'quarantined'))
    .orderBy('name')
    .limit(options.limit);
  if (options.storedOnly) {
    query = query.where((eb) =>
      eb.exists(
        eb
          .selectFrom('file')
          .select('file.filename')
          .whereRef('file.project', '=', 'project.name')
          .where('file.repository', '=', repository)
          .where('file.deleted_at', 'is', null),
      ),
    );
  }
  const rows = yield* all(query);
  return rows.map((row) => row.name as ProjectName);
}

/** Makes the project's page new: everything rendered from an earlier revision is out of date. */
export function* bumpRevision(repository: string, name: ProjectName, now: number): Script<void> {
  yield* run(
    sql
      .updateTable('project')
      .set((eb) => ({ revision: eb('revision', '+', 1), changed_at: now }))
      .where('name', '=', name)
      .where('repository', '=', repository),
  );
}
