import type { Actor } from '../model/access.ts';
import { all, first, run, type Script } from './catalog.ts';
import { appendEvent } from './events.ts';
import { sql } from './schema.ts';
import type { KeptLockTable } from './tables/mirroring.ts';

/** A lock that must stay installable. */
export interface KeptLock {
  readonly name: string;
  /** Digest of its text: its version. */
  readonly lock: string;
  /** JSON. */
  readonly options: string;
  readonly keptAt: number;
  readonly keptBy: string;
  readonly ready: boolean;
  /** Since when it is as `ready` says. */
  readonly readySince: number;
  readonly checkedAt: number;
  /** JSON: the first things that are missing. */
  readonly missing: string;
  readonly missingCount: number;
  readonly watch?: {
    readonly url: string;
    readonly everyMs: number;
    readonly watchedAt?: number;
    /** Why it could not be fetched, the last time. */
    readonly error?: string;
  };
}

/** What a check of a lock came to. */
export interface Readiness {
  readonly ready: boolean;
  /** JSON. */
  readonly missing: string;
  readonly missingCount: number;
  readonly files: readonly KeptFile[];
}

/** A file that a kept lock needs. */
interface KeptFile {
  readonly repository: string;
  readonly project: string;
  readonly filename: string;
}

const MAX_VERSIONS = 50;
const FILES_AT_ONCE = 200;

/**
 * Keeps a lock under a name: in the place of the text that it had, with new files. `lost`: some of these are no longer stored, although
 * the check has seen them; whoever sees to it that they are has to do so again, and throws to have nothing kept. `watch`: from where it is fetched anew; `undefined`
 * leaves that as it is, `null` ends it.
 */
export function* keepLock(
  lock: {
    readonly name: string;
    readonly lock: string;
    readonly options: string;
    readonly watch?: { readonly url: string; readonly everyMs: number } | null | undefined;
  },
  readiness: Readiness,
  { actor, now }: { readonly actor: Actor; readonly now: number },
): Script<'kept' | 'lost'> {
  const { name } = lock;
  const before = yield* findKeptLock(name);
  const since = before?.ready === readiness.ready ? before.readySince : now;
  const { watch } = lock;
  const row = {
    lock: lock.lock,
    options: lock.options,
    kept_at: now,
    kept_by: actor.name,
    ready: readiness.ready ? 1 : 0,
    ready_since: since,
    checked_at: now,
    missing: readiness.missing,
    missing_count: readiness.missingCount,
    ...(watch === undefined ? {} : { watch_url: watch?.url ?? null, watch_every: watch?.everyMs ?? null }),
    ...(watch === undefined ? {} : { watched_at: watch === null ? null : now, watch_error: null }),
  };
  yield* run(
    sql
      .insertInto('kept_lock')
      .values({ name, watch_url: null, watch_every: null, watched_at: null, watch_error: null, ...row })
      .onConflict((conflict) => conflict.column('name').doUpdateSet(row)),
  );
  const version = { name, lock: lock.lock, kept_at: now, kept_by: actor.name };
  yield* run(
    sql
      .insertInto('kept_lock_version')
      .values(version)
      .onConflict((conflict) => conflict.columns(['name', 'lock']).doUpdateSet({ kept_at: now, kept_by: actor.name })),
  );
  yield* forgetOldVersions(name);
  yield* pinFiles(name, readiness.files, { keepOthers: false });
  const detail = { lock: lock.lock, ready: readiness.ready };
  yield* appendEvent({ kind: 'lock-kept', actor, subject: `lock/${name}`, detail, at: now });
  return (yield* lostPins(name)) === 0 ? 'kept' : 'lost';
}

export function* findKeptLock(name: string): Script<KeptLock | undefined> {
  const row = yield* first(sql.selectFrom('kept_lock').selectAll().where('name', '=', name));
  return row === undefined ? undefined : toKeptLock(row);
}

/** Kept locks in the order of their names, after `after`; at most `limit`, bounded by 1,000. */
export function* listKeptLocks(after: string, limit: number): Script<readonly KeptLock[]> {
  const query = sql.selectFrom('kept_lock').selectAll().where('name', '>', after).orderBy('name');
  return (yield* all(query.limit(Math.min(Math.max(limit, 1), 1000)))).map(toKeptLock);
}

/** The texts that a kept lock has had, newest first. */
export function* listLockVersions(
  name: string,
): Script<readonly { readonly lock: string; readonly keptAt: number; readonly keptBy: string }[]> {
  const rows = yield* all(
    sql.selectFrom('kept_lock_version').selectAll().where('name', '=', name).orderBy('kept_at', 'desc').orderBy('lock'),
  );
  return rows.map((row) => ({ lock: row.lock, keptAt: row.kept_at, keptBy: row.kept_by }));
}

/** Keeps a lock no longer: its files may be evicted again. False: there is none of that name. */
export function* dropLock(name: string, actor: Actor, now: number): Script<boolean> {
  if ((yield* run(sql.deleteFrom('kept_lock').where('name', '=', name))) === 0) return false;
  yield* run(sql.deleteFrom('kept_lock_version').where('name', '=', name));
  yield* run(sql.deleteFrom('kept_lock_file').where('lock', '=', name));
  yield* appendEvent({ kind: 'lock-dropped', actor, subject: `lock/${name}`, at: now });
  return true;
}

/**
 * Notes what a check of a kept lock came to, unless it was kept anew in the meantime, and pins the files that it has found. Answers whether
 * it has changed: `lost` when it has stopped being ready, `regained` when it is again. `outdated`: a file that the check has found is no
 * longer stored; check again.
 */
export function* noteReadiness(
  checked: KeptLock,
  readiness: Readiness,
  { actor, now }: { readonly actor: Actor; readonly now: number },
): Script<'lost' | 'regained' | 'same' | 'gone' | 'outdated'> {
  const { name } = checked;
  const lock = yield* findKeptLock(name);
  if (lock === undefined || lock.lock !== checked.lock || lock.options !== checked.options) return 'gone';
  // Of a lock that is not ready, what is missing may come back.
  yield* pinFiles(name, readiness.files, { keepOthers: !readiness.ready });
  if (readiness.ready && (yield* lostPins(name)) > 0) return 'outdated';
  const hasChanged = lock.ready !== readiness.ready;
  yield* run(
    sql
      .updateTable('kept_lock')
      .set({
        ready: readiness.ready ? 1 : 0,
        ready_since: hasChanged ? now : lock.readySince,
        checked_at: now,
        missing: readiness.missing,
        missing_count: readiness.missingCount,
      })
      .where('name', '=', name),
  );
  if (!hasChanged) return 'same';
  const kind = readiness.ready ? 'lock-ready' : 'lock-not-ready';
  const detail = { missing: readiness.missingCount };
  yield* appendEvent({ kind, actor, subject: `lock/${name}`, detail, at: now });
  return readiness.ready ? 'regained' : 'lost';
}

/** Notes that a watched lock was looked at, and what went wrong. */
export function* noteWatch(name: string, error: string | null, now: number): Script<void> {
  yield* run(sql.updateTable('kept_lock').set({ watched_at: now, watch_error: error }).where('name', '=', name));
}

function* forgetOldVersions(name: string): Script<void> {
  const versions = yield* listLockVersions(name);
  for (const { lock } of versions.slice(MAX_VERSIONS)) {
    yield* run(sql.deleteFrom('kept_lock_version').where('name', '=', name).where('lock', '=', lock));
  }
}

/** Mostly they are the ones that it has: then nothing is written. */
function* pinFiles(
  lock: string,
  files: readonly KeptFile[],
  { keepOthers }: { readonly keepOthers: boolean },
): Script<void> {
  const pinned = new Map(
    (yield* all(sql.selectFrom('kept_lock_file').selectAll().where('lock', '=', lock))).map((row) => [keyOf(row), row]),
  );
  const added: KeptFile[] = [];
  for (const file of new Map(files.map((each) => [keyOf(each), each])).values())
    if (!pinned.delete(keyOf(file))) added.push(file);
  for (const { repository, project, filename } of keepOthers ? [] : pinned.values()) {
    yield* run(
      sql
        .deleteFrom('kept_lock_file')
        .where('lock', '=', lock)
        .where('repository', '=', repository)
        .where('project', '=', project)
        .where('filename', '=', filename),
    );
  }
  for (let at = 0; at < added.length; at += FILES_AT_ONCE) {
    const rows = added
      .slice(at, at + FILES_AT_ONCE)
      .map(({ repository, project, filename }) => ({ lock, repository, project, filename }));
    yield* run(sql.insertInto('kept_lock_file').values(rows));
  }
}

function keyOf({ repository, project, filename }: KeptFile): string {
  return `${repository}/${project}/${filename}`;
}

/** How many of the files that a lock pins are not stored. */
function* lostPins(lock: string): Script<number> {
  const row = yield* first(
    sql
      .selectFrom('kept_lock_file')
      .leftJoin('file', (join) =>
        join
          .onRef('file.project', '=', 'kept_lock_file.project')
          .onRef('file.filename', '=', 'kept_lock_file.filename')
          .onRef('file.repository', '=', 'kept_lock_file.repository')
          .on('file.deleted_at', 'is', null),
      )
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('kept_lock_file.lock', '=', lock)
      .where('file.filename', 'is', null),
  );
  return Number(row?.count ?? 0);
}

function toKeptLock(row: KeptLockTable): KeptLock {
  return {
    name: row.name,
    lock: row.lock,
    options: row.options,
    keptAt: row.kept_at,
    keptBy: row.kept_by,
    ready: row.ready === 1,
    readySince: row.ready_since,
    checkedAt: row.checked_at,
    missing: row.missing,
    missingCount: row.missing_count,
    ...(row.watch_url === null
      ? {}
      : {
          watch: {
            url: row.watch_url,
            everyMs: row.watch_every ?? 0,
            ...(row.watched_at === null ? {} : { watchedAt: row.watched_at }),
            ...(row.watch_error === null ? {} : { error: row.watch_error }),
          },
        }),
  };
}
