import type { Catalog } from '../catalog/catalog.ts';
import { enqueueJob } from '../catalog/jobs.ts';
import { pruneLockTexts } from '../catalog/lock-texts.ts';
import { type KeptLock, listKeptLocks, noteReadiness, type Readiness } from '../catalog/locks.ts';
import { pruneBuildRequirements } from '../catalog/sources.ts';
import type { Clock } from '../clock.ts';
import type { Drilled } from '../mirroring/drill.ts';
import type { LockOrders } from '../mirroring/lock-orders.ts';
import type { Actor } from '../model/access.ts';
import type { LockOptions } from '../model/job.ts';
import { othersTurn } from '../others-turn.ts';
import { Problem } from '../problem.ts';
import type { JobRun } from './job-run.ts';

export interface CheckLocksParts {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly orders: LockOrders;
  /** How often a notification is tried; 0: nobody is to be told. */
  readonly notifyAttempts: number;
}

/** The job that has them checked, whatever else it does. */
export type LockCheck = Pick<JobRun, 'actor' | 'log' | 'progress' | 'signal'>;

const LOCKS_AT_ONCE = 100;
const SHOWN_MISSING = 100;
const PRUNED_AT_ONCE = 200;
const RECHECKS = 3;

/** Drills every kept lock, tells when one has stopped being ready, and forgets what no lock needs to know any more. */
export async function checkLocks(parts: CheckLocksParts, job: LockCheck): Promise<object> {
  const { catalog } = parts;
  const counts = { locks: 0, ready: 0, lost: 0, regained: 0 };
  let after = '';
  for (;;) {
    const from = after;
    const locks = await catalog.read(() => listKeptLocks(from, LOCKS_AT_ONCE));
    for (const lock of locks) {
      job.signal.throwIfAborted();
      let checked = await checkOne(parts, lock, job.actor);
      for (let again = 0; again < RECHECKS && checked.change === 'outdated'; again += 1)
        checked = await checkOne(parts, lock, job.actor);
      const { readiness, change } = checked;
      counts.locks += 1;
      if (readiness.ready) counts.ready += 1;
      if (change === 'lost' || change === 'regained') counts[change] += 1;
      if (change === 'lost')
        job.log.warn({ lock: lock.name, missing: readiness.missingCount }, 'a kept lock is not ready any more');
      job.progress({ ...counts });
      await othersTurn();
    }
    after = locks.at(-1)?.name ?? '';
    if (locks.length < LOCKS_AT_ONCE) break;
  }
  for (const prune of [pruneLockTexts, pruneBuildRequirements]) {
    while ((await catalog.write(() => prune(PRUNED_AT_ONCE))) > 0) job.signal.throwIfAborted();
  }
  return counts;
}

async function checkOne(parts: CheckLocksParts, lock: KeptLock, actor: Actor) {
  const { catalog, clock, notifyAttempts } = parts;
  const readiness = await check(parts, lock);
  const now = clock.nowMs();
  const change = await catalog.write(function* () {
    const came = yield* noteReadiness(lock, readiness, { actor, now });
    if (came === 'lost' && notifyAttempts > 0) {
      const input = { name: lock.name, since: now };
      const uniqueKey = `notify-lock ${lock.name}@${now}`;
      yield* enqueueJob({
        ...{ kind: 'notify-lock', input, actor, now, uniqueKey },
        maxAttempts: notifyAttempts,
      });
    }
    return came;
  });
  return { readiness, change };
}

async function check({ orders }: CheckLocksParts, lock: KeptLock): Promise<Readiness> {
  try {
    const opened = await orders.open(lock.lock, JSON.parse(lock.options) as LockOptions);
    return readinessOf(await orders.drillOpened(opened));
  } catch (error) {
    // The index may be configured no more, or the text read more strictly than when it was kept.
    if (!(error instanceof Problem) || error.status >= 500) throw error;
    const missing = [{ name: lock.name, version: null, filename: null, why: error.detail }];
    return { ready: false, missing: JSON.stringify(missing), missingCount: 1, files: [] };
  }
}

/** What is noted of a drill beside a kept lock. */
export function readinessOf({ result, held }: Drilled): Readiness {
  const { ready, missing, missingCount } = result;
  return { ready, missing: JSON.stringify(missing.slice(0, SHOWN_MISSING)), missingCount, files: held };
}
