import type { Actor } from '../model/access.ts';
import type { Job, JobCounts, JobItem, JobKind } from '../model/job.ts';
import { first, run, type Script } from './catalog.ts';
import { appendEvent } from './events.ts';
import { toJob } from './jobs.ts';
import { sql } from './schema.ts';

/** A job that this node runs, and the text that proves it: whoever else has it by now has another one. */
export interface Claim {
  readonly job: Job;
  readonly holder: string;
  /** Where the handler wanted to go on. */
  readonly position?: string;
  readonly secret?: string;
  readonly maxAttempts: number;
}

export interface Claimer {
  readonly kinds: readonly JobKind[];
  readonly holder: string;
  readonly now: number;
  /** How long the job is ours without renewal, milliseconds. */
  readonly leaseMs: number;
}

/** Is there a job to be claimed? Cheaper than to try. */
export function* isJobDue({ kinds, now }: Pick<Claimer, 'kinds' | 'now'>): Script<boolean> {
  return (yield* first(due(kinds, now))) !== undefined;
}

/**
 * Takes the job that has been due for longest, or one whose node has died. A job whose node has died too often, or that was to
 * be cancelled, ends here instead, and the next one is looked at.
 */
export function* claimJob({ kinds, holder, now, leaseMs }: Claimer): Script<Claim | undefined> {
  for (;;) {
    const row = yield* first(due(kinds, now).forUpdate().skipLocked());
    if (row === undefined) return undefined;
    const held = { ...toJob(row), state: 'running' as const };
    if (row.cancel_requested === 1) {
      yield* end(held, now, { state: 'cancelled' });
      continue;
    }
    if (row.state === 'running' && row.attempts >= row.max_attempts) {
      yield* end(held, now, { state: 'failed', error: 'The nodes that ran this job stopped in the middle of it.' });
      continue;
    }
    const change = { state: 'running', holder, lease_until: now + leaseMs, attempts: row.attempts + 1 };
    const revision = row.revision + 1;
    const startedAt = row.started_at ?? now;
    yield* run(
      sql
        .updateTable('job')
        .set({ ...change, revision, started_at: startedAt })
        .where('id', '=', row.id),
    );
    const job = { ...held, revision, startedAt, attempts: row.attempts + 1 };
    return {
      job,
      holder,
      maxAttempts: row.max_attempts,
      ...(row.position === null ? {} : { position: row.position }),
      ...(row.secret === null ? {} : { secret: row.secret }),
    };
  }
}

/**
 * Lets go of every job that is held: whoever asks next has it at once. For the start of a process that alone uses the catalog, since whoever
 * held them then has died.
 */
export function* releaseClaims(): Script<void> {
  yield* run(sql.updateTable('job').set({ lease_until: 0 }).where('state', '=', 'running'));
}

/** What a handler has told since the last time. */
export interface Report {
  readonly progress?: JobCounts;
  readonly position?: string | undefined;
  readonly items: readonly JobItem[];
}

/**
 * Renews the lease and keeps what the handler has told. `lost`: the job is no longer ours, and nothing was kept. `cancel`:
 * somebody wants it to end.
 */
export function* renewJob(
  { job, holder }: Claim,
  report: Report,
  { now, leaseMs }: Pick<Claimer, 'now' | 'leaseMs'>,
): Script<'held' | 'cancel' | 'lost'> {
  const row = yield* first(mine(job.id, holder));
  if (row === undefined) return 'lost';
  yield* keep(job.id, row.revision + 1, report);
  yield* run(
    sql
      .updateTable('job')
      .set({ lease_until: now + leaseMs })
      .where('id', '=', job.id),
  );
  return row.cancel_requested === 1 ? 'cancel' : 'held';
}

/** How a try ended. */
export type Ending =
  | { readonly state: 'succeeded'; readonly result: Readonly<Record<string, unknown>> }
  | { readonly state: 'failed'; readonly error: string }
  | { readonly state: 'cancelled' }
  /** Not the end: try again at that time. `counted: false`: as if this try had not been. */
  | { readonly state: 'queued'; readonly dueAt: number; readonly error?: string; readonly counted: boolean };

/** Ends our hold on a job, with the last that its handler has told. False: it was no longer ours, and nothing was done. */
export function* endJob({ job, holder }: Claim, report: Report, ending: Ending, now: number): Script<boolean> {
  const row = yield* first(mine(job.id, holder));
  if (row === undefined) return false;
  const revision = row.revision + 1;
  yield* keep(job.id, revision, report);
  if (ending.state === 'queued') {
    const { dueAt, error = row.error, counted } = ending;
    const attempts = counted ? row.attempts : row.attempts - 1;
    const change = { state: 'queued', due_at: dueAt, error, attempts, revision, holder: null, lease_until: null };
    yield* run(sql.updateTable('job').set(change).where('id', '=', job.id));
  } else {
    yield* end({ ...job, revision: row.revision }, now, ending);
  }
  return true;
}

function due(kinds: readonly JobKind[], now: number) {
  return sql
    .selectFrom('job')
    .selectAll()
    .where('kind', 'in', kinds)
    .where((eb) =>
      eb.or([
        eb.and([eb('state', '=', 'queued'), eb('due_at', '<=', now)]),
        eb.and([eb('state', '=', 'running'), eb('lease_until', '<', now)]),
      ]),
    )
    .orderBy('due_at')
    .orderBy('id')
    .limit(1);
}

function mine(id: string, holder: string) {
  return sql
    .selectFrom('job')
    .selectAll()
    .where('id', '=', id)
    .where('holder', '=', holder)
    .where('state', '=', 'running');
}

function* keep(id: string, revision: number, { progress, position, items }: Report): Script<void> {
  if (progress === undefined && items.length === 0) return;
  const told = { revision, ...(progress && { progress: JSON.stringify(progress), position: position ?? null }) };
  yield* run(sql.updateTable('job').set(told).where('id', '=', id));
  if (items.length === 0) return;
  const rows = items.map(({ key, state, detail }) => ({
    job: id,
    key,
    state,
    detail: JSON.stringify(detail),
    revision,
  }));
  yield* run(
    sql
      .insertInto('job_item')
      .values(rows)
      .onConflict((conflict) =>
        conflict.columns(['job', 'key']).doUpdateSet((eb) => ({
          state: eb.ref('excluded.state'),
          detail: eb.ref('excluded.detail'),
          revision: eb.ref('excluded.revision'),
        })),
      ),
  );
}

function* end(job: Job, now: number, ending: Exclude<Ending, { state: 'queued' }>): Script<void> {
  const { state } = ending;
  const result = state === 'succeeded' ? JSON.stringify(ending.result) : null;
  const error = state === 'failed' ? ending.error : null;
  const change = {
    state,
    result,
    error,
    finished_at: now,
    holder: null,
    lease_until: null,
    secret: null,
    revision: job.revision + 1,
  };
  yield* run(sql.updateTable('job').set(change).where('id', '=', job.id));
  if (job.isScheduled && state !== 'failed') return;
  const actor: Actor = { name: job.by };
  const detail = { kind: job.kind, ...(error === null ? {} : { error }) };
  yield* appendEvent({ kind: `job-${state}`, actor, subject: `job/${job.id}`, detail, at: now });
}
