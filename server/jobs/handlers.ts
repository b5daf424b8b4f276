import type { BlobStore } from '../../storage/blob-store.ts';
import { forgetAbsentNames } from '../catalog/absent-names.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { pruneJobs } from '../catalog/jobs.ts';
import type { Clock } from '../clock.ts';
import type { LockCheck } from './check-locks.ts';
import { collectGarbage } from './collect-garbage.ts';
import { type EvictParts, evictCache } from './evict-cache.ts';
import type { JobHandlers } from './runner.ts';
import { type RepairBlob, verifyBlobs } from './verify-blobs.ts';

export interface HandlerParts {
  readonly catalog: Catalog;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  /** Where verification puts corrupt bytes. */
  readonly setAsideDir: string;
  readonly repair?: RepairBlob;
  /** For how long a finished job is remembered, milliseconds. */
  readonly keepFinishedMs: number;
  /** Absent: what came through upstreams has no limit, and is kept. */
  readonly cache?: Omit<EvictParts, 'catalog' | 'clock' | 'log' | 'checkLocks'> & {
    readonly checkLocks: (job: LockCheck) => Promise<unknown>;
  };
}

const PRUNED_AT_ONCE = 50;

// Anybody can ask for names that do not exist. In an outage, what is forgotten is a name that was never asked for.
const ABSENT_NAMES_MS = 30 * 24 * 60 * 60_000;

/** What is to be done for each kind of job that looks after the server itself. */
export function jobHandlers(parts: HandlerParts): Pick<JobHandlers, 'collect-garbage' | 'verify-blobs' | 'prune-jobs'> {
  const { catalog, clock, keepFinishedMs } = parts;
  return {
    'collect-garbage': async (job) => {
      const { actor, signal, log } = job;
      const { cache } = parts;
      const { cacheNote, ...evicted } =
        cache === undefined
          ? { evicted: 0, evictedBytes: 0 }
          : await evictCache(
              { ...parts, ...cache, log, checkLocks: () => cache.checkLocks(job) },
              { actor, signal, onProgress: (soFar) => job.progress({ ...soFar }) },
            );
      const collection = await collectGarbage(parts, {
        ...{ actor, signal },
        ...(job.input.graceMs === undefined ? {} : { graceMs: job.input.graceMs }),
        onProgress: async (soFar) => job.progress({ ...evicted, ...soFar }),
      });
      if (collection.strangersNote !== undefined) log.error(collection.strangersNote);
      await forgetNames(parts, signal);
      return { ...evicted, ...collection, ...(cacheNote === undefined ? {} : { cacheNote }) };
    },
    'verify-blobs': async (job) => await verifyBlobs(parts, job),
    'prune-jobs': async (job) => {
      let pruned = 0;
      for (;;) {
        job.signal.throwIfAborted();
        const count = await catalog.write(() => pruneJobs(clock.nowMs() - keepFinishedMs, PRUNED_AT_ONCE));
        if (count === 0) return { pruned };
        pruned += count;
        job.progress({ pruned });
      }
    },
  };
}

async function forgetNames({ catalog, clock }: HandlerParts, signal: AbortSignal): Promise<void> {
  const before = clock.nowMs() - ABSENT_NAMES_MS;
  let after: string | undefined = '';
  while (after !== undefined) {
    signal.throwIfAborted();
    const from: string = after;
    after = await catalog.write(() => forgetAbsentNames({ before, after: from, limit: PRUNED_AT_ONCE }));
  }
}
