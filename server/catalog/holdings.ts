import type { Digest } from '../../storage/digest.ts';
import type { ProjectStatus } from '../model/distribution-file.ts';
import type { ProjectName } from '../model/project-name.ts';
import { all, type Script } from './catalog.ts';
import { inChunks } from './chunks.ts';
import { sql } from './schema.ts';

/** What one repository knows of a project. */
export interface ProjectRow {
  readonly name: ProjectName;
  readonly repository: string;
  /** False: the upstream said that it does not have the name. */
  readonly present: boolean;
  /** An administrator's word before the upstream's. */
  readonly status: ProjectStatus;
}

/** A stored file, for look-ups of many. */
export interface HeldFile {
  readonly project: ProjectName;
  readonly repository: string;
  readonly filename: string;
  readonly digest: Digest;
  readonly size: number;
  /** Its core metadata are kept. */
  readonly hasMetadata: boolean;
}

/** Everything that repositories know of these projects. */
export function* findProjectRows(names: readonly ProjectName[]): Script<readonly ProjectRow[]> {
  const found = new Map<string, ProjectRow>();
  for (const chunk of inChunks(names)) {
    const rows = yield* all(
      sql
        .selectFrom('project')
        .select(['name', 'repository', 'present', 'status', 'status_override'])
        .where('name', 'in', chunk),
    );
    for (const row of rows) {
      found.set(`${row.name} ${row.repository}`, {
        name: row.name as ProjectName,
        repository: row.repository,
        present: row.present === 1,
        status: (row.status_override ?? row.status) as ProjectStatus,
      });
    }
  }
  return [...found.values()];
}

const held = () =>
  sql
    .selectFrom('file')
    .leftJoin('core_metadata', (join) =>
      join
        .onRef('core_metadata.project', '=', 'file.project')
        .onRef('core_metadata.filename', '=', 'file.filename')
        .onRef('core_metadata.repository', '=', 'file.repository'),
    )
    .select([
      'file.project',
      'file.repository',
      'file.filename',
      'file.digest',
      'file.size',
      'core_metadata.digest as metadata',
    ])
    .where('file.deleted_at', 'is', null);

/** Every stored file with one of these digests, of whatever project and repository. */
export function* findHeldByDigest(digests: readonly string[]): Script<readonly HeldFile[]> {
  const found: HeldFile[] = [];
  for (const chunk of inChunks(digests)) {
    for (const row of yield* all(held().where('file.digest', 'in', chunk))) found.push(toHeld(row));
  }
  return found;
}

/** Every stored file of these projects, in whatever repository. */
export function* findHeldByProject(projects: readonly string[]): Script<readonly HeldFile[]> {
  const found: HeldFile[] = [];
  for (const chunk of inChunks(projects)) {
    for (const row of yield* all(held().where('file.project', 'in', chunk))) found.push(toHeld(row));
  }
  return found;
}

function toHeld(row: {
  project: string;
  repository: string;
  filename: string;
  digest: string;
  size: number;
  metadata: string | null;
}): HeldFile {
  const { metadata, project, digest, ...rest } = row;
  return { ...rest, project: project as ProjectName, digest: digest as Digest, hasMetadata: metadata !== null };
}
