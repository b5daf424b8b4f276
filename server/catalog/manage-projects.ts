import type { Actor } from '../model/access.ts';
import type { DistributionFile, ProjectStatus } from '../model/distribution-file.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import { first, run, type Script } from './catalog.ts';
import { appendEvent } from './events.ts';
import { findHostedRelease } from './hosted.ts';
import { bumpRevision } from './project-state.ts';
import { sql } from './schema.ts';
import { touchProject } from './stored-files.ts';

/** What is to be changed, by whom, when. */
export interface Change {
  readonly repository: string;
  readonly project: ProjectName;
  readonly actor: Actor;
  /** Milliseconds. */
  readonly at: number;
}

/**
 * Sets the status of a hosted project (PEP 792). An event each time, also when it was the same before: somebody has decided.
 * Throws `project-not-found`.
 */
export function* setHostedStatus(change: Change, status: ProjectStatus, reason: string | undefined): Script<void> {
  yield* changeStatus(change, { status, status_reason: reason ?? null }, { status, reason });
}

/**
 * An administrator's word against the upstream's status of a project; `undefined` takes it back. Throws `project-not-found` for
 * a name that has never been asked of the upstream.
 */
export function* overrideStatus(
  change: Change,
  status: ProjectStatus | undefined,
  reason: string | undefined,
): Script<void> {
  yield* changeStatus(change, { status_override: status ?? null }, { status: status ?? null, reason });
}

function* changeStatus(
  { repository, project, actor, at }: Change,
  columns: { status?: string; status_reason?: string | null; status_override?: string | null },
  said: { readonly status: string | null; readonly reason: string | undefined },
): Script<void> {
  const before = yield* first(
    sql
      .selectFrom('project')
      .select(['status', 'status_override'])
      .where('name', '=', project)
      .where('repository', '=', repository),
  );
  if (before === undefined) throw projectNotFound(repository, project);
  yield* run(sql.updateTable('project').set(columns).where('name', '=', project).where('repository', '=', repository));
  yield* bumpRevision(repository, project, at);
  const detail = {
    repository,
    from: before.status_override ?? before.status,
    to: said.status,
    ...(said.reason === undefined ? {} : { reason: said.reason }),
  };
  yield* appendEvent({ kind: 'project-status-changed', actor, subject: `project/${project}`, detail, at });
}

/**
 * Yanks a release of a hosted project (PEP 592), or takes that back with `undefined`: every file of it. Answers its version as the page
 * has it. Nothing changes, and there is no event, when it is so already. Throws `release-not-found`.
 */
export function* yankRelease(change: Change, version: string, yanked: true | string | undefined): Script<string> {
  const { repository, project, actor, at } = change;
  const release = yield* findHostedRelease(repository, project, version);
  if (release === undefined) throw releaseNotFound(repository, project, version);
  const changed = release.files.filter((file) => file.detail.yanked !== yanked);
  for (const { filename, detail } of changed) {
    const { yanked: _, ...rest } = detail;
    const next: DistributionFile = yanked === undefined ? rest : { ...rest, yanked };
    yield* run(
      sql
        .updateTable('file')
        .set({ detail: JSON.stringify(next) })
        .where('project', '=', project)
        .where('filename', '=', filename)
        .where('repository', '=', repository),
    );
  }
  if (changed.length === 0) return release.version;
  yield* bumpRevision(repository, project, at);
  const facts = {
    repository,
    version: release.version,
    files: changed.map((file) => file.filename),
    ...(typeof yanked === 'string' ? { reason: yanked } : {}),
  };
  const kind = yanked === undefined ? 'release-unyanked' : 'release-yanked';
  yield* appendEvent({ kind, actor, subject: `project/${project}`, detail: facts, at });
  return release.version;
}

/** Deletes every file of a release; their names stay taken. Throws `release-not-found`. */
export function* deleteRelease(change: Change, version: string): Script<void> {
  const { repository, project } = change;
  const release = yield* findHostedRelease(repository, project, version);
  if (release === undefined) throw releaseNotFound(repository, project, version);
  const filenames = release.files.map((file) => file.filename);
  yield* deleteFiles(change, filenames, { kind: 'release-deleted', version: release.version });
}

/** Deletes one file; its name stays taken. Throws `file-not-found`. */
export function* deleteFile(change: Change, filename: string): Script<void> {
  const { repository, project } = change;
  const row = yield* first(
    sql
      .selectFrom('file')
      .select('version')
      .where('project', '=', project)
      .where('filename', '=', filename)
      .where('repository', '=', repository)
      .where('deleted_at', 'is', null),
  );
  if (row === undefined) throw new Problem('file-not-found', `${project} has no such file in ${repository}.`);
  yield* deleteFiles(change, [filename], { kind: 'file-deleted', version: row.version });
}

function* deleteFiles(
  { repository, project, actor, at }: Change,
  filenames: readonly string[],
  { kind, version }: { readonly kind: string; readonly version: string },
): Script<void> {
  for (const filename of filenames) {
    yield* run(
      sql
        .updateTable('file')
        .set({ deleted_at: at })
        .where('project', '=', project)
        .where('filename', '=', filename)
        .where('repository', '=', repository),
    );
    yield* run(
      sql
        .deleteFrom('core_metadata')
        .where('project', '=', project)
        .where('filename', '=', filename)
        .where('repository', '=', repository),
    );
  }
  yield* touchProject(repository, project, at);
  const detail = { repository, version, files: filenames };
  yield* appendEvent({ kind, actor, subject: `project/${project}`, detail, at });
}

function projectNotFound(repository: string, project: ProjectName): Problem {
  return new Problem('project-not-found', `No project ${project} is known in ${repository}.`);
}

function releaseNotFound(repository: string, project: ProjectName, version: string): Problem {
  return new Problem('release-not-found', `${project} has no release ${version} with files in ${repository}.`);
}
