import { type ExpressionBuilder, sql as fragment, type SqlBool } from 'kysely';
import type { Digest } from '../../storage/digest.ts';
import type { Actor } from '../model/access.ts';
import type { DistributionFile } from '../model/distribution-file.ts';
import type { ProjectName } from '../model/project-name.ts';
import type { BlobWindow } from './blobs.ts';
import { all, first, run, type Script } from './catalog.ts';
import { inChunks } from './chunks.ts';
import { appendEvent } from './events.ts';
import { onlyIn, unreferenced } from './garbage.ts';
import { sql, type Tables } from './schema.ts';
import { touchProject } from './stored-files.ts';

/** A stored file of an upstream that was not used for a while. */
export interface UnusedFile {
  readonly repository: string;
  readonly project: ProjectName;
  readonly filename: string;
  /** Milliseconds. */
  readonly usedAt: number;
  readonly digest: Digest;
  readonly size: number;
  /** As its page listed it when it was stored. */
  readonly detail: DistributionFile;
  /** A kept lock needs it. */
  readonly isPinned: boolean;
  /** Its bytes would go with the last of the files of upstreams that have them. */
  readonly isCacheOnly: boolean;
}

/** Where a walk through the unused files of a repository has come to. */
export type UnusedPosition = Pick<UnusedFile, 'usedAt' | 'project' | 'filename'>;

/** Bytes of the blobs in `window` that files of these repositories name, and nothing else. */
export function* cacheBytesIn({ after, upTo }: BlobWindow, repositories: readonly string[]): Script<number> {
  const row = yield* first(
    sql
      .selectFrom('blob')
      .select((eb) => eb.fn.sum<number | null>('size').as('bytes'))
      .where('digest', '>', after)
      .where('digest', '<=', upTo)
      .where(onlyIn(repositories)),
  );
  return Number(row?.bytes ?? 0);
}

/**
 * Lets up to `limit` files of which no use is remembered count from when they were stored: they were stored by an earlier version. Answers
 * how many there were.
 */
export function* countUseFromStoring(repository: string, limit: number): Script<number> {
  const rows = yield* all(
    sql
      .selectFrom('file')
      .select(['project', 'filename', 'stored_at'])
      .where('repository', '=', repository)
      .where('used_at', 'is', null)
      .limit(limit),
  );
  for (const { project, filename, stored_at: storedAt } of rows) {
    yield* run(
      sql
        .updateTable('file')
        .set({ used_at: storedAt })
        .where('project', '=', project)
        .where('filename', '=', filename)
        .where('repository', '=', repository)
        .where('used_at', 'is', null),
    );
  }
  return rows.length;
}

/** The next files of a repository that were not used since `usedBefore`, those that were used longest ago first. */
export function* unusedFiles(
  repository: string,
  {
    usedBefore,
    after,
    limit,
    repositories,
  }: {
    readonly usedBefore: number;
    readonly after: UnusedPosition | undefined;
    readonly limit: number;
    /** All that came through upstreams is in these. */
    readonly repositories: readonly string[];
  },
): Script<readonly UnusedFile[]> {
  let query = sql
    .selectFrom('file')
    .innerJoin('blob', 'blob.digest', 'file.digest')
    .select((eb) => [
      'file.project',
      'file.filename',
      'file.used_at',
      'file.digest',
      'file.size',
      'file.detail',
      eb.exists(pinOf(eb)).as('is_pinned'),
      onlyIn(repositories)(eb).as('is_cache_only'),
    ])
    .where('file.repository', '=', repository)
    .where('file.used_at', '<', usedBefore)
    .where('file.deleted_at', 'is', null)
    .orderBy('file.used_at')
    .orderBy('file.project')
    .orderBy('file.filename')
    .limit(limit);
  if (after !== undefined) {
    const columns = fragment.join(['file.used_at', 'file.project', 'file.filename'].map((name) => fragment.ref(name)));
    const values = fragment.join([after.usedAt, after.project, after.filename]);
    query = query.where(fragment<SqlBool>`(${columns}) > (${values})`);
  }
  return (yield* all(query)).map((row) => ({
    repository,
    project: row.project as ProjectName,
    filename: row.filename,
    usedAt: row.used_at ?? 0,
    digest: row.digest as Digest,
    size: row.size,
    detail: JSON.parse(row.detail) as DistributionFile,
    isPinned: Boolean(row.is_pinned),
    isCacheOnly: Boolean(row.is_cache_only),
  }));
}

/** Files of a project that may go. */
export interface EvictionOrder {
  readonly repository: string;
  readonly project: ProjectName;
  /** The project's, when its page was looked at: it listed them then. */
  readonly revision: number;
  readonly filenames: readonly string[];
}

/** What went. */
export interface Evicted {
  readonly files: number;
  /** Of blobs that nothing names any more. */
  readonly bytes: number;
  /** The last eviction by now. */
  readonly last: string | undefined;
}

const EVICTED = 'cache-evicted';

/** Names the last eviction of all nodes; `undefined`: there was none. */
export function* lastEviction(): Script<string | undefined> {
  const query = sql.selectFrom('event').select('id').where('kind', '=', EVICTED).orderBy('id', 'desc').limit(1);
  return (yield* first(query))?.id;
}

/**
 * Lets files go whose bytes can be had again: their rows, in one step with the new revisions of their pages and the audit event. What a
 * kept lock needs, what was used since `usedBefore` and what belongs to a page that has changed since it was looked at stays, however
 * that was when it was ordered. `others`: nothing went, since `last` is not the last eviction any more, and perhaps it fits by now.
 */
export function* evictFiles(
  orders: readonly EvictionOrder[],
  {
    usedBefore,
    last,
    actor,
    now,
  }: { readonly usedBefore: number; readonly last: string | undefined; readonly actor: Actor; readonly now: number },
): Script<Evicted | 'others'> {
  if ((yield* lastEviction()) !== last) return 'others';
  const names: string[] = [];
  const digests = new Set<string>();
  for (const { repository, project, revision, filenames } of orders) {
    const page = yield* first(
      sql
        .selectFrom('project')
        .select('revision')
        .where('name', '=', project)
        .where('repository', '=', repository)
        .where('revision', '=', revision)
        .where('present', '=', 1)
        .where('suspect_since', 'is', null),
    );
    if (page === undefined) continue;
    const before = names.length;
    for (const chunk of inChunks(filenames)) {
      const gone = yield* all(
        sql
          .deleteFrom('file')
          .where('project', '=', project)
          .where('repository', '=', repository)
          .where('filename', 'in', chunk)
          .where('deleted_at', 'is', null)
          .where('used_at', '<', usedBefore)
          .where((eb) => eb.not(eb.exists(pinOf(eb))))
          .returning(['filename', 'digest']),
      );
      for (const { filename, digest } of gone) {
        names.push(`${repository}/${project}/${filename}`);
        digests.add(digest);
      }
    }
    if (names.length > before) yield* touchProject(repository, project, now);
  }
  if (names.length === 0) return { files: 0, bytes: 0, last };
  const bytes = yield* bytesOfGarbage([...digests]);
  const detail = { evicted: names.length, evictedBytes: bytes, files: names };
  yield* appendEvent({ kind: EVICTED, actor, subject: 'storage', detail, at: now });
  return { files: names.length, bytes, last: yield* lastEviction() };
}

function* bytesOfGarbage(digests: readonly string[]): Script<number> {
  let bytes = 0;
  for (const chunk of inChunks(digests)) {
    const rows = yield* all(sql.selectFrom('blob').select('size').where('digest', 'in', chunk).where(unreferenced));
    for (const { size } of rows) bytes += size;
  }
  return bytes;
}

/** Of a query over `file`: why a kept lock holds it. */
function pinOf(eb: ExpressionBuilder<Tables, 'file'>) {
  return eb
    .selectFrom('kept_lock_file')
    .select('kept_lock_file.lock')
    .whereRef('kept_lock_file.project', '=', 'file.project')
    .whereRef('kept_lock_file.filename', '=', 'file.filename')
    .whereRef('kept_lock_file.repository', '=', 'file.repository');
}
