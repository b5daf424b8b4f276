import type { Catalog } from '../catalog/catalog.ts';
import { enqueueJob } from '../catalog/jobs.ts';
import { listKeptLocks } from '../catalog/locks.ts';
import type { Clock } from '../clock.ts';
import type { LockOrders } from '../mirroring/lock-orders.ts';
import type { Mirror } from '../mirroring/mirror.ts';
import { checkLocks, type LockCheck } from './check-locks.ts';
import { mirrorLock } from './mirror-lock.ts';
import { notifyLock } from './notify-lock.ts';
import type { JobHandler, JobHandlers } from './runner.ts';
import { watchLock } from './watch-lock.ts';

export interface LockHandlerParts {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly orders: LockOrders;
  readonly mirror: Mirror;
  readonly fetchText: (url: string, signal: AbortSignal) => Promise<string>;
  readonly notify: { readonly url: string | null; readonly secret: string | null; readonly retries: number };
}

export type LockHandlers = Pick<JobHandlers, 'mirror-lock' | 'watch-lock' | 'notify-lock'> & {
  readonly 'check-locks': (job: LockCheck) => Promise<object>;
};

/** What is to be done for each kind of job about locks. */
export function lockHandlers(parts: LockHandlerParts): LockHandlers {
  const { notify } = parts;
  const notifyAttempts = notify.url === null ? 0 : notify.retries + 1;
  return {
    'mirror-lock': (job) => mirrorLock(parts, job),
    'check-locks': (job) => checkLocks({ ...parts, notifyAttempts }, job),
    'watch-lock': (job) => watchLock(parts, job),
    'notify-lock': (job) => notifyLock({ ...parts, ...notify }, job),
  };
}

/** Has kept locks checked after a garbage collection. */
export function thenCheckLocks(
  collect: JobHandler<'collect-garbage'>,
  { catalog, clock }: { readonly catalog: Catalog; readonly clock: Clock },
): JobHandler<'collect-garbage'> {
  return async (job) => {
    const result = await collect(job);
    const now = clock.nowMs();
    await catalog.write(function* () {
      if ((yield* listKeptLocks('', 1)).length === 0) return;
      const uniqueKey = `check-locks after ${job.id}`;
      yield* enqueueJob({ kind: 'check-locks', input: {}, actor: { name: 'schedule' }, now, uniqueKey });
    });
    return result;
  };
}
