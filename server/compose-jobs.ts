import { join } from 'node:path';
import type { BlobStore } from '../storage/blob-store.ts';
import { expireBundles } from './bundles/expire-all.ts';
import type { Catalog } from './catalog/catalog.ts';
import { releaseClaims } from './catalog/job-claims.ts';
import { hastenJobs } from './catalog/jobs.ts';
import { ifWritable } from './catalog/read-only.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config/schema.ts';
import { jobHandlers } from './jobs/handlers.ts';
import type { ImportHandlers } from './jobs/import-handlers.ts';
import { JobFeed } from './jobs/job-feed.ts';
import { Jobs } from './jobs/jobs.ts';
import { type LockHandlers, thenCheckLocks } from './jobs/lock-handlers.ts';
import { type JobHandlers, Runner } from './jobs/runner.ts';
import { createSchedule, recurringJobs } from './jobs/schedule.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Reading } from './repository/build.ts';
import type { FileUses } from './repository/file-uses.ts';
import { upstreamsAsked } from './repository/refresh-everywhere.ts';
import { repairBlob } from './repository/repair.ts';

/** Work in the background: what it is asked through, and what runs it. */
export interface ComposedJobs {
  readonly jobs: Jobs;
  /** Takes up what a process that died has left. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** The job runner of this node, its schedule, and the use cases around them. */
export function composeJobs(
  config: Config,
  parts: {
    readonly catalog: Catalog;
    readonly blobs: BlobStore;
    readonly clock: Clock;
    readonly log: Logger;
    readonly reading: Reading;
    readonly uses: FileUses;
    readonly metrics: Metrics;
    readonly locks: LockHandlers;
    readonly imports: ImportHandlers;
    readonly bundles: Pick<JobHandlers, 'read-archive'>;
  },
): ComposedJobs {
  const { catalog, blobs, clock, log, reading, uses, metrics, locks, imports, bundles } = parts;
  const { cacheBytes: maxBytes, cacheKeepFor: keepForMs } = config.limits;
  const feed = new JobFeed({ catalog, clock });
  const own = jobHandlers({
    catalog,
    blobs,
    clock,
    setAsideDir: join(config.dataDir, 'corrupt'),
    keepFinishedMs: config.jobs.keepFinishedFor,
    ...(maxBytes !== null && {
      cache: {
        ...{ uses, maxBytes, keepForMs },
        checkLocks: locks['check-locks'],
        upstreams: reading.proxied,
        askedFor: (name) => upstreamsAsked(reading, name),
        onEvicted: ({ files, bytes }) => metrics.evicted(files, bytes),
      },
    }),
    repair: (digest, signal) => repairBlob(digest, { catalog, reading, signal }),
  });
  const handlers: JobHandlers = {
    ...own,
    ...locks,
    ...imports,
    ...bundles,
    'expire-bundles': async (job) =>
      await expireBundles(
        { catalog, clock, rules: config },
        { actor: job.actor, signal: job.signal, onProgress: (soFar) => job.progress({ ...soFar }) },
      ),
    'collect-garbage': thenCheckLocks(own['collect-garbage'], { catalog, clock }),
  };
  const runner = new Runner(handlers, {
    catalog,
    clock,
    log,
    concurrency: config.jobs.atOnce,
    onChange: (id) => feed.changed(id),
  });
  const schedule = createSchedule({
    catalog,
    clock,
    log,
    recurring: [
      ...recurringJobs({ collectGarbageEveryMs: config.jobs.collectGarbageEvery }),
      { kind: 'check-locks', input: {}, everyMs: config.jobs.recheckLocksEvery },
      // What it lets go is garbage from then on.
      { kind: 'expire-bundles', input: {}, everyMs: config.jobs.collectGarbageEvery },
    ],
    onAdded: () => runner.wake(),
  });
  return {
    jobs: new Jobs({ catalog, clock, feed, wake: () => runner.wake() }),
    start: async () => {
      // SQLite is for one process, so no job is anybody else's, and nobody reads what another process had begun to.
      if (config.catalog.kind === 'sqlite') {
        await ifWritable(catalog.write(releaseClaims));
        await ifWritable(catalog.write(() => hastenJobs('read-archive', clock.nowMs())));
      }
      runner.start();
      schedule.start();
    },
    stop: async () => {
      await schedule.stop();
      await runner.stop();
    },
  };
}
