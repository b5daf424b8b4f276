import type { Catalog } from '../catalog/catalog.ts';
import { enqueueJob, type NewJob } from '../catalog/jobs.ts';
import { findLockText } from '../catalog/lock-texts.ts';
import { findKeptLock, noteWatch } from '../catalog/locks.ts';
import type { Clock } from '../clock.ts';
import type { LockText } from '../mirroring/lock.ts';
import type { LockOrders } from '../mirroring/lock-orders.ts';
import type { LockOptions } from '../model/job.ts';
import { Problem } from '../problem.ts';
import type { JobRun } from './job-run.ts';

export interface WatchLockParts {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly orders: LockOrders;
  /** The text at an address that the configuration allows. Throws `Problem`. */
  readonly fetchText: (url: string, signal: AbortSignal) => Promise<string>;
}

/** The job that looks at a watched lock for the next time. Of each turn there is one, whoever makes it. */
export function nextWatch(
  name: string,
  { url, everyMs }: { readonly url: string; readonly everyMs: number },
  now: number,
): NewJob<'watch-lock'> {
  const dueAt = (Math.floor(now / everyMs) + 1) * everyMs;
  const uniqueKey = `watch-lock ${name}@${dueAt} ${url}`;
  return { kind: 'watch-lock', input: { name, url, everyMs }, actor: { name: 'schedule' }, now, dueAt, uniqueKey };
}

/** Fetches a watched lock, and has it mirrored and kept anew when its text has changed. Ends when the lock is watched no more. */
export async function watchLock(parts: WatchLockParts, job: JobRun<'watch-lock'>): Promise<object> {
  const { catalog, clock, orders, fetchText } = parts;
  const { name, url, everyMs } = job.input;
  const kept = await catalog.read(() => findKeptLock(name));
  if (kept?.watch?.url !== url || kept.watch.everyMs !== everyMs) return { watched: false };
  // First, so that no failure below ends the watch.
  await catalog.write(() => enqueueJob(nextWatch(name, { url, everyMs }, clock.nowMs())));
  let error: string | null = null;
  let mirrored: string | undefined;
  try {
    const content = await fetchText(url, job.signal);
    const before = JSON.parse((await catalog.read(() => findLockText(kept.lock))) ?? '{}') as Partial<LockText>;
    if (content !== before.content) {
      const options = JSON.parse(kept.options) as LockOptions;
      // Only the lock itself is watched: the files that it refers to stay as they were sent.
      const text = { ...before, name: before.name ?? name, content };
      mirrored = await orders.mirror({ ...options, text, keep: name, isWatched: true }, job.actor);
    }
  } catch (thrown) {
    if (!(thrown instanceof Problem)) throw thrown;
    error = thrown.detail;
    job.log.warn({ err: thrown, lock: name }, 'a watched lock could not be fetched');
  }
  const sentence = error;
  await catalog.write(() => noteWatch(name, sentence, clock.nowMs()));
  return { watched: true, ...(mirrored === undefined ? {} : { mirrored }), ...(error === null ? {} : { error }) };
}
