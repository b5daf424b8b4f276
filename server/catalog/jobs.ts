import type { Selectable } from 'kysely';
import type { Actor } from '../model/access.ts';
import {
  isFinished,
  type Job,
  type JobCounts,
  type JobInputs,
  type JobItem,
  type JobKind,
  type JobState,
} from '../model/job.ts';
import { all, first, prepared, run, type Script } from './catalog.ts';
import { appendEvent } from './events.ts';
import { sql, type Tables } from './schema.ts';
import { sortableId } from './sortable-id.ts';

export interface NewJob<K extends JobKind = JobKind> {
  readonly kind: K;
  readonly input: JobInputs[K];
  readonly actor: Actor;
  /** Milliseconds. */
  readonly now: number;
  /** Not before; `now` when absent. */
  readonly dueAt?: number;
  /** Of scheduled work: no second job with this key is made for as long as the first is remembered. */
  readonly uniqueKey?: string;
  /** What its handler needs to know and nobody may read: forgotten when the job has finished. */
  readonly secret?: string;
  /** Tries before it has failed; 5 when absent. */
  readonly maxAttempts?: number;
}

/** Makes a job, in the script of what it follows from. `undefined`: there is one with that key. */
export function* enqueueJob<K extends JobKind>(job: NewJob<K>): Script<string | undefined> {
  const { kind, actor, now } = job;
  const id = sortableId(now);
  const row = {
    id,
    kind,
    state: 'queued',
    unique_key: job.uniqueKey ?? null,
    input: JSON.stringify(job.input),
    progress: '{}',
    revision: 1,
    by: actor.name,
    address: actor.address ?? null,
    created_at: now,
    due_at: job.dueAt ?? now,
    attempts: 0,
    max_attempts: job.maxAttempts ?? 5,
    cancel_requested: 0,
    secret: job.secret ?? null,
  };
  const insert = sql
    .insertInto('job')
    .values(row)
    .onConflict((conflict) => conflict.column('unique_key').doNothing());
  if ((yield* run(insert)) === 0) return undefined;
  if (job.uniqueKey === undefined) {
    yield* appendEvent({ kind: 'job-queued', actor, subject: `job/${id}`, detail: { kind }, at: now });
  }
  return id;
}

/** The id of the job of that kind with that input that is queued or running; of a new one when there is none. */
export function* enqueueUnlessActive<K extends JobKind>(job: Omit<NewJob<K>, 'uniqueKey'>): Script<string | undefined> {
  return (yield* findActiveJob(job.kind, job.input))?.id ?? (yield* enqueueJob(job));
}

const selectJob = prepared((p: { id: string }) => sql.selectFrom('job').selectAll().where('id', '=', p.id));

export function* findJob(id: string): Script<Job | undefined> {
  const row = yield* first(selectJob({ id }));
  return row && toJob(row);
}

/** The job of that kind that is queued or running, the oldest of them, if there is one; with that input, when it is told. */
export function* findActiveJob<K extends JobKind>(kind: K, input?: JobInputs[K]): Script<Job | undefined> {
  let query = sql.selectFrom('job').selectAll().where('kind', '=', kind).where('state', 'in', ['queued', 'running']);
  if (input !== undefined) query = query.where('input', '=', JSON.stringify(input));
  const row = yield* first(query.orderBy('id').limit(1));
  return row && toJob(row);
}

export interface JobFilter {
  readonly kind?: JobKind;
  readonly state?: JobState;
  /** Only jobs made before the one with this id. */
  readonly before?: string;
  /** At most so many; bounded by 1,000. */
  readonly limit: number;
}

/** Jobs, newest first. */
export function* listJobs({ kind, state, before, limit }: JobFilter): Script<readonly Job[]> {
  let query = sql.selectFrom('job').selectAll().orderBy('id', 'desc').limit(bounded(limit));
  if (kind !== undefined) query = query.where('kind', '=', kind);
  if (state !== undefined) query = query.where('state', '=', state);
  if (before !== undefined) query = query.where('id', '<', before);
  return (yield* all(query)).map(toJob);
}

export interface ItemFilter {
  readonly state?: string;
  /** Only keys after this one. */
  readonly after?: string;
  /** At most so many; bounded by 1,000. */
  readonly limit: number;
}

/** What came of the things that a job had to do, in the order of their keys. */
export function* listJobItems(job: string, { state, after, limit }: ItemFilter): Script<readonly JobItem[]> {
  let query = sql.selectFrom('job_item').selectAll().where('job', '=', job).orderBy('key').limit(bounded(limit));
  if (state !== undefined) query = query.where('state', '=', state);
  if (after !== undefined) query = query.where('key', '>', after);
  return (yield* all(query)).map(toItem);
}

/** How far a follower has come in a job's items. */
export interface ItemCursor {
  readonly revision: number;
  readonly key: string;
}

/** At most 500 items that a follower has not seen, in the order in which they were told, and how far it is then. */
export function* newJobItems(
  job: string,
  { revision, key }: ItemCursor,
): Script<{ readonly items: readonly JobItem[]; readonly cursor: ItemCursor }> {
  const rows = yield* all(
    sql
      .selectFrom('job_item')
      .selectAll()
      .where('job', '=', job)
      .where('revision', '>=', revision)
      .where((eb) => eb.or([eb('revision', '>', revision), eb('key', '>', key)]))
      .orderBy('revision')
      .orderBy('key')
      .limit(500),
  );
  const last = rows.at(-1);
  const cursor = last === undefined ? { revision, key } : { revision: last.revision, key: last.key };
  return { items: rows.map(toItem), cursor };
}

/** How many things of a job came to each state. */
export function* countJobItems(job: string): Script<JobCounts> {
  const rows = yield* all(
    sql
      .selectFrom('job_item')
      .select((eb) => ['state', eb.fn.countAll<number>().as('count')])
      .where('job', '=', job)
      .groupBy('state')
      .orderBy('state'),
  );
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
}

/**
 * Asks for a job to be given up: one that waits is cancelled at once, one that runs as soon as its node hears of it, one that has
 * finished stays as it is. Answers the job as it then stands.
 */
export function* cancelJob(id: string, actor: Actor, now: number): Script<Job | undefined> {
  const job = yield* findJob(id);
  if (job === undefined || isFinished(job.state) || job.cancelRequested) return job;
  const update = sql.updateTable('job').set((eb) => ({ cancel_requested: 1, revision: eb('revision', '+', 1) }));
  if (job.state === 'queued')
    yield* run(update.set({ state: 'cancelled', finished_at: now, secret: null }).where('id', '=', id));
  else yield* run(update.where('id', '=', id));
  const kind = job.state === 'queued' ? 'job-cancelled' : 'job-cancel-requested';
  yield* appendEvent({ kind, actor, subject: `job/${id}`, detail: { kind: job.kind }, at: now });
  return yield* findJob(id);
}

/** Takes back a job with that key that nobody has claimed yet, as if it had never been. */
export function* dropQueuedJob(uniqueKey: string): Script<void> {
  yield* run(sql.deleteFrom('job').where('unique_key', '=', uniqueKey).where('state', '=', 'queued'));
}

/** Makes jobs of that kind due that wait for a later time. */
export function* hastenJobs(kind: JobKind, now: number): Script<void> {
  const waiting = sql.updateTable('job').set({ due_at: now }).where('kind', '=', kind).where('state', '=', 'queued');
  yield* run(waiting.where('due_at', '>', now));
}

/** Forgets jobs that finished before that time, at most `limit`, with their items. Answers how many. */
export function* pruneJobs(finishedBefore: number, limit: number): Script<number> {
  const old = sql.selectFrom('job').select('id').where('finished_at', '<', finishedBefore).orderBy('finished_at');
  const ids = (yield* all(old.limit(limit))).map(({ id }) => id);
  if (ids.length === 0) return 0;
  yield* run(sql.deleteFrom('job_item').where('job', 'in', ids));
  return yield* run(sql.deleteFrom('job').where('id', 'in', ids));
}

/** A row of `job` as the rest of the program sees it. */
export function toJob(row: Selectable<Tables['job']>): Job {
  return {
    id: row.id,
    kind: row.kind as JobKind,
    state: row.state as JobState,
    input: JSON.parse(row.input),
    progress: JSON.parse(row.progress) as JobCounts,
    ...(row.result === null ? {} : { result: JSON.parse(row.result) as Record<string, unknown> }),
    ...(row.error === null ? {} : { error: row.error }),
    revision: row.revision,
    by: row.by,
    isScheduled: row.unique_key !== null,
    createdAt: row.created_at,
    dueAt: row.due_at,
    ...(row.started_at === null ? {} : { startedAt: row.started_at }),
    ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
    attempts: row.attempts,
    cancelRequested: row.cancel_requested === 1,
  };
}

function toItem(row: Selectable<Tables['job_item']>): JobItem {
  return { key: row.key, state: row.state, detail: JSON.parse(row.detail) as Record<string, unknown> };
}

function bounded(limit: number): number {
  return Math.min(Math.max(limit, 1), 1000);
}
