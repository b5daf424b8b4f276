import { isFinished, type Job, type JobItem } from '../model/job.ts';
import { isoTime } from './iso-time.ts';

/** A job as people see it. */
export function jobView(job: Job) {
  return {
    id: job.id,
    kind: job.kind,
    state: job.state,
    by: job.by,
    createdAt: isoTime(job.createdAt),
    startedAt: isoTime(job.startedAt),
    finishedAt: isoTime(job.finishedAt),
    /** When it is tried again. */
    dueAt: job.state === 'queued' ? isoTime(job.dueAt) : null,
    attempts: job.attempts,
    cancelRequested: job.cancelRequested && !isFinished(job.state),
    counts: job.progress,
    bytes: job.progress.bytes ?? 0,
    error: job.error ?? null,
    result: job.result ?? null,
    revision: job.revision,
  };
}

/** What came of one thing that a job had to do. */
export function itemView({ key, state, detail }: JobItem) {
  return { key, state, ...detail };
}
