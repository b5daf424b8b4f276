import type { Digest } from '../../storage/digest.ts';
import type { DistributionFile, ProjectDetail, ProjectStatus } from '../model/distribution-file.ts';
import type { ProjectName } from '../model/project-name.ts';
import { compareVersions, sortVersions, versionKey } from '../model/version.ts';
import { all, first, prepared, type Script } from './catalog.ts';
import { sql } from './schema.ts';

/** A file of a hosted project by its name: what is there, or was. */
export interface HostedFile {
  readonly digest: Digest;
  /** The file was deleted; its name stays taken. */
  readonly isDeleted: boolean;
}

const fileByName = prepared((p: { project: string; filename: string; repository: string }) =>
  sql
    .selectFrom('file')
    .select(['digest', 'deleted_at'])
    .where('project', '=', p.project)
    .where('filename', '=', p.filename)
    .where('repository', '=', p.repository),
);

/** The file that has or had this name; `undefined` when the name is free. */
export function* findHostedFile(
  repository: string,
  project: ProjectName,
  filename: string,
): Script<HostedFile | undefined> {
  const row = yield* first(fileByName({ project, filename, repository }));
  return row === undefined ? undefined : { digest: row.digest as Digest, isDeleted: row.deleted_at !== null };
}

// One query, so that files and status belong together (a read script sees what is committed at each of its queries).
const page = prepared((p: { project: string; repository: string }) =>
  sql
    .selectFrom('project')
    .leftJoin('file', (join) =>
      join
        .onRef('file.project', '=', 'project.name')
        .onRef('file.repository', '=', 'project.repository')
        .on('file.deleted_at', 'is', null),
    )
    .select(['project.status', 'project.status_override', 'project.status_reason', 'file.version', 'file.detail'])
    .where('project.name', '=', p.project)
    .where('project.repository', '=', p.repository)
    .where('project.present', '=', 1),
);

/**
 * The page of a hosted project: files in the order of their versions, then of their names. Without files while it is quarantined
 * (PEP 792), and when all are deleted: the name stays ours. `undefined`: not known here.
 */
export function* findHostedPage(repository: string, project: ProjectName): Script<ProjectDetail | undefined> {
  const rows = yield* all(page({ project, repository }));
  const [head] = rows;
  if (head === undefined) return undefined;
  const status = (head.status_override ?? head.status) as ProjectStatus;
  const reason = head.status_reason === null ? {} : { statusReason: head.status_reason };
  const state = { name: project, status, ...reason };
  if (status === 'quarantined') return { ...state, versions: [], files: [] };
  const byVersion = new Map<string, DistributionFile[]>();
  for (const { version, detail } of rows) {
    if (version === null || detail === null) continue;
    const files = byVersion.get(version) ?? [];
    files.push(JSON.parse(detail) as DistributionFile);
    byVersion.set(version, files);
  }
  const versions = sortVersions(byVersion.keys());
  const files = versions.flatMap((version) => (byVersion.get(version) ?? []).sort(byName));
  return { ...state, versions, files };
}

function byName(a: DistributionFile, b: DistributionFile): number {
  return a.filename < b.filename ? -1 : a.filename > b.filename ? 1 : 0;
}

/** Files of one release that are there. */
export interface HostedRelease {
  /** As its first upload spelt it, normalised; `1.0` and `1.0.0` are one release. */
  readonly version: string;
  readonly files: readonly { readonly filename: string; readonly detail: DistributionFile }[];
}

/** The release that `version` (in any spelling) names; `undefined` when it has no file. */
export function* findHostedRelease(
  repository: string,
  project: ProjectName,
  version: string,
): Script<HostedRelease | undefined> {
  const known = yield* all(
    sql
      .selectFrom('file')
      .select('version')
      .distinct()
      .where('project', '=', project)
      .where('repository', '=', repository)
      .where('deleted_at', 'is', null),
  );
  const key = versionKey(version);
  const same = known.map((row) => row.version).filter((text) => versionKey(text) === key);
  const [spelling] = same.sort(compareVersions);
  if (spelling === undefined) return undefined;
  const rows = yield* all(
    sql
      .selectFrom('file')
      .select(['filename', 'detail'])
      .where('project', '=', project)
      .where('repository', '=', repository)
      .where('version', 'in', same)
      .where('deleted_at', 'is', null)
      .orderBy('filename'),
  );
  const files = rows.map(({ filename, detail }) => ({ filename, detail: JSON.parse(detail) as DistributionFile }));
  return { version: spelling, files };
}
