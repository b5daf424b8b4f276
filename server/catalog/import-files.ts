import type { JobCounts, JobItem } from '../model/job.ts';
import { all, first, run, type Script } from './catalog.ts';
import { countJobItems } from './jobs.ts';
import { sql } from './schema.ts';

/** Puts files on the list of a job that awaits them; those that are on it stay as they are. A part of a long list at a time. */
export function* listImportFiles(job: string, files: readonly JobItem[]): Script<void> {
  if (files.length === 0) return;
  const rows = files.map(({ key, state, detail }) => ({
    job,
    key,
    state,
    detail: JSON.stringify(detail),
    revision: 1,
  }));
  yield* run(
    sql
      .insertInto('job_item')
      .values(rows)
      .onConflict((conflict) => conflict.columns(['job', 'key']).doNothing()),
  );
}

/** A file on the list of such a job, and the job's state; `undefined`: no such file, or job. */
export function* findImportFile(
  job: string,
  key: string,
): Script<{ readonly job: { readonly state: string; readonly input: string }; readonly item: JobItem } | undefined> {
  const row = yield* first(
    sql
      .selectFrom('job')
      .innerJoin('job_item', 'job_item.job', 'job.id')
      .select(['job.state as job_state', 'job.input', 'job_item.state', 'job_item.detail'])
      .where('job.id', '=', job)
      .where('job.kind', '=', 'import-files')
      .where('job_item.key', '=', key),
  );
  if (row === undefined) return undefined;
  const { job_state: state, input } = row;
  const item = { key, state: row.state, detail: JSON.parse(row.detail) as Record<string, unknown> };
  return { job: { state, input }, item };
}

/** Counts of a list, by the states of its files; `waiting` ones have not come yet. */
export function* countImportFiles(job: string): Script<JobCounts> {
  const { waiting = 0, stored = 0, present = 0, failed = 0 } = yield* countJobItems(job);
  const done = stored + present + failed;
  return { entries: done + waiting, entriesDone: done, files: done, stored, present, failed };
}

/**
 * Counts a list from the beginning, and says when the job is to sum up: at once when nothing is waited for, else at `patienceUntil`. Answers
 * whether that is at once.
 */
export function* settleImportList(
  job: string,
  times: { readonly now: number; readonly patienceUntil: number },
): Script<boolean> {
  const row = yield* first(sql.selectFrom('job').select(['state', 'progress']).where('id', '=', job));
  if (row?.state !== 'queued') return false;
  const counts = { ...(JSON.parse(row.progress) as JobCounts), ...(yield* countImportFiles(job)) };
  return yield* keepProgress(job, { bytes: 0, ...counts }, times);
}

/**
 * Keeps what came of a file of the list, and counts it. `due`: it was the last one, so that the job sums up now. `over`: the job awaits
 * nothing any more.
 */
export function* noteImportFile(
  job: string,
  { key, state, detail }: JobItem,
  times: { readonly now: number; readonly patienceUntil: number },
): Script<'waiting' | 'due' | 'over'> {
  const row = yield* first(
    sql.selectFrom('job').select(['state', 'progress', 'revision']).where('id', '=', job).forUpdate(),
  );
  if (row?.state !== 'queued') return 'over';
  const [old] = yield* all(sql.selectFrom('job_item').select('state').where('job', '=', job).where('key', '=', key));
  const change = { state, detail: JSON.stringify(detail), revision: row.revision + 1 };
  yield* run(sql.updateTable('job_item').set(change).where('job', '=', job).where('key', '=', key));
  const counts = JSON.parse(row.progress) as Record<string, number>;
  const add = (name: string, by: number): void => {
    counts[name] = (counts[name] ?? 0) + by;
  };
  if (old?.state === 'waiting') for (const name of ['entriesDone', 'files']) add(name, 1);
  else if (old !== undefined) add(old.state, -1);
  add(state, 1);
  if (state === 'stored') add('bytes', Number(detail.size ?? 0));
  return (yield* keepProgress(job, counts, times)) ? 'due' : 'waiting';
}

function* keepProgress(
  job: string,
  counts: JobCounts,
  { now, patienceUntil }: { readonly now: number; readonly patienceUntil: number },
): Script<boolean> {
  const isWhole = counts.entriesDone === counts.entries;
  yield* run(
    sql
      .updateTable('job')
      .set((eb) => ({
        progress: JSON.stringify(counts),
        due_at: isWhole ? now : patienceUntil,
        revision: eb('revision', '+', 1),
      }))
      .where('id', '=', job)
      .where('state', '=', 'queued'),
  );
  return isWhole;
}
