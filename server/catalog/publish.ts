import type { Digest } from '../../storage/digest.ts';
import type { Actor } from '../model/access.ts';
import type { DistributionFile, ProjectStatus } from '../model/distribution-file.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import { first, prepared, run, type Script } from './catalog.ts';
import { appendEvent } from './events.ts';
import { insertFile, type NewFileRow } from './file-row.ts';
import { findHostedFile, findHostedRelease, type HostedFile } from './hosted.ts';
import { sql } from './schema.ts';
import { recordMetadata } from './stored-files.ts';

/** A file whose bytes are kept, about to get its name. */
export interface NewHostedFile {
  readonly repository: string;
  readonly project: ProjectName;
  /** The project's name as this file spells it. */
  readonly displayName: string;
  /** Normalised. */
  readonly version: string;
  readonly digest: Digest;
  readonly size: number;
  readonly detail: DistributionFile;
  readonly metadata: { readonly digest: Digest; readonly size: number };
  readonly actor: Actor;
}

/**
 * Gives an uploaded file its name, in one step with everything that follows from it: the project, its page's new revision, the audit event. The same
 * bytes under the same name change nothing. Of several that race for a name one wins. Throws `file-exists`, `archived`,
 * `quarantined`.
 */
export function* publishFile(file: NewHostedFile, now: number): Script<'published' | 'unchanged'> {
  const { repository, project, digest } = file;
  const { filename } = file.detail;
  yield* mustTakeUploads(repository, project);
  const existing = yield* findHostedFile(repository, project, filename);
  if (existing !== undefined) return sameOrRefused(existing, digest, filename);
  const release = yield* findHostedRelease(repository, project, file.version);
  const version = release?.version ?? file.version;
  const detail = JSON.stringify(withYank(file.detail, release?.files ?? []));
  const inserted = yield* run(
    insertIfFree({ project, filename, repository, version, digest, size: file.size, detail, now, usedAt: null }),
  );
  if (inserted === 0) {
    const winner = yield* findHostedFile(repository, project, filename);
    if (winner === undefined) throw new Error('a file name is taken by no file');
    return sameOrRefused(winner, digest, filename);
  }
  yield* recordMetadata(repository, project, filename, { ...file.metadata, source: 'file' });
  yield* run(upsertProject({ name: project, repository, display: file.displayName, now }));
  const facts = { repository, filename, version, sha256: digest, size: file.size };
  yield* appendEvent({ kind: 'upload', actor: file.actor, subject: `project/${project}`, detail: facts, at: now });
  return 'published';
}

/** What an upload of `digest` under a name that is taken comes to. Throws `file-exists`. */
export function sameOrRefused(existing: HostedFile, digest: Digest, filename: string): 'unchanged' {
  if (existing.isDeleted) {
    throw new Problem('file-exists', `A file ${filename} was deleted, and its name stays taken. Use another version.`);
  }
  if (existing.digest !== digest) {
    throw new Problem('file-exists', `${filename} is here with other content. Use another version.`, {
      members: { filename, sha256: existing.digest },
    });
  }
  return 'unchanged';
}

/** Throws `archived` or `quarantined` when the project's status forbids uploads (PEP 792). */
function* mustTakeUploads(repository: string, project: ProjectName): Script<void> {
  const row = yield* first(statusOf({ name: project, repository }));
  const status = (row?.status_override ?? row?.status) as ProjectStatus | undefined;
  if (status !== 'archived' && status !== 'quarantined') return;
  throw new Problem(status, `${project} is ${status} and takes no uploads.`);
}

/** A release is yanked as a whole (as at the public index): what is added to it is as well. */
function withYank(
  detail: DistributionFile,
  others: readonly { readonly detail: DistributionFile }[],
): DistributionFile {
  const [one] = others;
  const yanked = one?.detail.yanked;
  if (yanked === undefined || others.some((other) => other.detail.yanked === undefined)) return detail;
  return { ...detail, yanked };
}

const statusOf = prepared((p: { name: string; repository: string }) =>
  sql
    .selectFrom('project')
    .select(['status', 'status_override'])
    .where('name', '=', p.name)
    .where('repository', '=', p.repository),
);

const insertIfFree = prepared((p: NewFileRow) =>
  insertFile(p).onConflict((conflict) => conflict.columns(['project', 'filename', 'repository']).doNothing()),
);

const upsertProject = prepared((p: { name: string; repository: string; display: string; now: number }) =>
  sql
    .insertInto('project')
    .values({
      name: p.name,
      repository: p.repository,
      display_name: p.display,
      present: 1,
      status: 'active',
      revision: 1,
      stored_revision: 1,
      changed_at: p.now,
    })
    .onConflict((conflict) =>
      conflict.columns(['name', 'repository']).doUpdateSet((eb) => ({
        display_name: p.display,
        present: 1,
        revision: eb('project.revision', '+', 1),
        stored_revision: eb('project.stored_revision', '+', 1),
        changed_at: p.now,
      })),
    ),
);
