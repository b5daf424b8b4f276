import type { Digest } from '../../storage/digest.ts';
import type { DistributionFile, ProjectStatus } from '../model/distribution-file.ts';
import type { ProjectName } from '../model/project-name.ts';
import { all, first, prepared, run, type Script } from './catalog.ts';
import { insertFile, type NewFileRow } from './file-row.ts';
import { sql } from './schema.ts';

/** A file whose bytes are stored. */
export interface StoredFile {
  readonly filename: string;
  readonly digest: Digest;
  readonly size: number;
  readonly storedAt: number;
  /** When it was used last, to the day; of a file that came through an upstream. */
  readonly usedAt: number;
  readonly uploadTime?: string;
  /** By when it was uploaded, milliseconds, where its upload time is not known. */
  readonly seenAt: number;
  /** Of its project: an administrator's word before the upstream's. */
  readonly status: ProjectStatus;
  /** The catalog is away: this is what it said last. */
  readonly isRemembered?: true;
}

/** Core metadata whose bytes are stored. */
export interface StoredMetadata {
  readonly digest: Digest;
  readonly size: number;
  /** The catalog is away: this is what it said last. */
  readonly isRemembered?: true;
}

const fileByName = prepared((p: { repository: string; name: string; filename: string }) =>
  sql
    .selectFrom('file')
    .leftJoin('project', (join) =>
      join.onRef('project.name', '=', 'file.project').onRef('project.repository', '=', 'file.repository'),
    )
    .select([
      'file.filename',
      'file.digest',
      'file.size',
      'file.stored_at',
      'file.used_at',
      'file.detail',
      'project.status',
      'project.status_override',
    ])
    .where('file.project', '=', p.name)
    .where('file.filename', '=', p.filename)
    .where('file.repository', '=', p.repository)
    .where('file.deleted_at', 'is', null),
);

/** A stored file and its project's status, in one read: what a hot file costs. */
export function* findStoredFile(
  repository: string,
  name: ProjectName,
  filename: string,
): Script<StoredFile | undefined> {
  const row = yield* first(fileByName({ repository, name, filename }));
  return row && storedFileOf(row);
}

/** The columns of a stored file, with the status of its project. */
export interface FileRow {
  readonly filename: string;
  readonly digest: string;
  readonly size: number;
  readonly stored_at: number;
  readonly used_at: number | null;
  readonly detail: string;
  readonly status: string | null;
  readonly status_override: string | null;
}

/** The stored file that a row tells of. */
export function storedFileOf(row: FileRow): StoredFile {
  const { uploadTime, seenAt } = JSON.parse(row.detail) as DistributionFile;
  return {
    filename: row.filename,
    digest: row.digest as Digest,
    size: row.size,
    storedAt: row.stored_at,
    usedAt: row.used_at ?? row.stored_at,
    ...(uploadTime === undefined ? {} : { uploadTime }),
    seenAt: seenAt ?? row.stored_at,
    status: (row.status_override ?? row.status ?? 'active') as ProjectStatus,
  };
}

const metadataByName = prepared((p: { repository: string; name: string; filename: string }) =>
  sql
    .selectFrom('core_metadata')
    .select(['digest', 'size'])
    .where('project', '=', p.name)
    .where('filename', '=', p.filename)
    .where('repository', '=', p.repository),
);

/** The core metadata that is kept of a file, and its project's status. */
export function* findStoredMetadata(
  repository: string,
  name: ProjectName,
  filename: string,
): Script<StoredMetadata | undefined> {
  const row = yield* first(metadataByName({ repository, name, filename }));
  return row === undefined ? undefined : { digest: row.digest as Digest, size: row.size };
}

const filesOf = prepared((p: { repository: string; name: string }) =>
  sql
    .selectFrom('file')
    .select(['filename', 'digest', 'size'])
    .where('project', '=', p.name)
    .where('repository', '=', p.repository)
    .where('deleted_at', 'is', null),
);
const metadataOf = prepared((p: { repository: string; name: string }) =>
  sql
    .selectFrom('core_metadata')
    .select(['filename', 'digest'])
    .where('project', '=', p.name)
    .where('repository', '=', p.repository),
);

/** Digest and size of every stored file and metadata of a project, by file name. */
export function* findHoldings(
  repository: string,
  name: ProjectName,
): Script<{
  readonly files: ReadonlyMap<string, { readonly digest: Digest; readonly size: number }>;
  readonly metadata: ReadonlyMap<string, Digest>;
}> {
  const files = yield* all(filesOf({ repository, name }));
  const metadata = yield* all(metadataOf({ repository, name }));
  return {
    files: new Map(files.map((row) => [row.filename, { digest: row.digest as Digest, size: row.size }])),
    metadata: new Map(metadata.map((row) => [row.filename, row.digest as Digest])),
  };
}

/** Core metadata whose bytes are kept: as upstream sent them, or extracted from the archive. */
export interface KeptMetadata {
  readonly digest: Digest;
  readonly size: number;
  readonly source: 'upstream' | 'file';
}

/** What a pulled-through file is, once its bytes are kept. */
export interface PulledFile {
  readonly repository: string;
  readonly project: ProjectName;
  readonly detail: DistributionFile;
  readonly version: string;
  readonly digest: Digest;
  readonly size: number;
  readonly metadata?: KeptMetadata;
  /** The page that clients see changes by it (it gains a hash or core metadata). */
  readonly changesPage: boolean;
}

const nameFile = prepared((p: NewFileRow) =>
  insertFile(p).onConflict((conflict) =>
    conflict
      .columns(['project', 'filename', 'repository'])
      .doUpdateSet({ digest: p.digest, size: p.size, stored_at: p.now, deleted_at: null, used_at: p.usedAt }),
  ),
);
const countStored = prepared((p: { repository: string; project: string }) =>
  sql
    .updateTable('project')
    .set((eb) => ({ stored_revision: eb('stored_revision', '+', 1) }))
    .where('name', '=', p.project)
    .where('repository', '=', p.repository),
);
const countChanged = prepared((p: { repository: string; project: string; now: number }) =>
  sql
    .updateTable('project')
    .set((eb) => ({
      stored_revision: eb('stored_revision', '+', 1),
      revision: eb('revision', '+', 1),
      changed_at: p.now,
    }))
    .where('name', '=', p.project)
    .where('repository', '=', p.repository),
);

/** Names the kept bytes of a pulled-through file. Again with the same name: the newer bytes count (a repair). */
export function* recordPulledFile(file: PulledFile, now: number): Script<void> {
  const { repository, project, digest, size } = file;
  const { filename } = file.detail;
  const { version } = file;
  const detail = JSON.stringify(file.detail);
  yield* run(nameFile({ repository, project, filename, version, digest, size, detail, now, usedAt: now }));
  if (file.metadata !== undefined) yield* recordMetadata(repository, project, filename, file.metadata);
  yield* run(file.changesPage ? countChanged({ repository, project, now }) : countStored({ repository, project }));
}

const nameMetadata = prepared(
  (p: { repository: string; project: string; filename: string; digest: string; size: number; source: string }) =>
    sql
      .insertInto('core_metadata')
      .values({
        project: p.project,
        filename: p.filename,
        repository: p.repository,
        digest: p.digest,
        size: p.size,
        source: p.source,
      })
      .onConflict((conflict) =>
        conflict
          .columns(['project', 'filename', 'repository'])
          .doUpdateSet({ digest: p.digest, size: p.size, source: p.source }),
      ),
);

/** Makes the project's page new, and what is stored of it. */
export function* touchProject(repository: string, project: ProjectName, now: number): Script<void> {
  yield* run(countChanged({ repository, project, now }));
}

/** Names the kept bytes of a file's core metadata. */
export function* recordMetadata(
  repository: string,
  project: ProjectName,
  filename: string,
  metadata: KeptMetadata,
): Script<void> {
  const { digest, size, source } = metadata;
  yield* run(nameMetadata({ repository, project, filename, digest, size, source }));
}

/** Every file that is stored under a digest. */
export function* findFilesByDigest(
  digest: Digest,
): Script<readonly { readonly repository: string; readonly project: ProjectName; readonly filename: string }[]> {
  const rows = yield* all(
    sql
      .selectFrom('file')
      .select(['repository', 'project', 'filename'])
      .where('digest', '=', digest)
      .where('deleted_at', 'is', null),
  );
  return rows.map((row) => ({ ...row, project: row.project as ProjectName }));
}

/** Every file whose core metadata are kept under a digest. */
export function* findMetadataByDigest(
  digest: Digest,
): Script<readonly { readonly repository: string; readonly project: ProjectName; readonly filename: string }[]> {
  const rows = yield* all(
    sql.selectFrom('core_metadata').select(['repository', 'project', 'filename']).where('digest', '=', digest),
  );
  return rows.map((row) => ({ ...row, project: row.project as ProjectName }));
}

/** Forgets that a file's bytes are stored, since they are not: the next request pulls them through again. */
export function* forgetLostFile(repository: string, project: ProjectName, filename: string): Script<void> {
  const changed = yield* run(
    sql
      .deleteFrom('file')
      .where('project', '=', project)
      .where('filename', '=', filename)
      .where('repository', '=', repository)
      .where('deleted_at', 'is', null),
  );
  if (changed === 0) return;
  yield* run(
    sql
      .updateTable('project')
      .set((eb) => ({ stored_revision: eb('stored_revision', '+', 1), revision: eb('revision', '+', 1) }))
      .where('name', '=', project)
      .where('repository', '=', repository),
  );
}
