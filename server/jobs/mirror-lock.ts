import type { Catalog } from '../catalog/catalog.ts';
import { enqueueJob } from '../catalog/jobs.ts';
import { findKeptLock, keepLock, noteWatch } from '../catalog/locks.ts';
import type { Clock } from '../clock.ts';
import type { Drilled } from '../mirroring/drill.ts';
import type { LockOrders } from '../mirroring/lock-orders.ts';
import type { Mirror } from '../mirroring/mirror.ts';
import type { MirrorSummary } from '../mirroring/mirror-parts.ts';
import type { Outcome } from '../mirroring/mirror-report.ts';
import type { LockJob, LockOptions } from '../model/job.ts';
import { Problem } from '../problem.ts';
import { readinessOf } from './check-locks.ts';
import type { JobRun } from './job-run.ts';
import { JobGivesUp } from './runner.ts';
import { nextWatch } from './watch-lock.ts';

export interface MirrorLockParts {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly orders: LockOrders;
  readonly mirror: Mirror;
}

/**
 * Stores what a lock needs, proves that it is all there, and keeps the lock when that was asked for. Gives up, after everything was tried,
 * when something cannot be had; a lock that was kept before under the same name then stays as it was.
 */
export async function mirrorLock(parts: MirrorLockParts, job: JobRun<'mirror-lock'>): Promise<object> {
  const { orders, mirror, catalog } = parts;
  const { lock: digest, keep } = job.input;
  const opened = await orders.open(digest, job.input);
  const summary = await mirror.run(opened.lock, { ...opened, actor: job.actor }, job);
  const drilled = await orders.drillOpened(opened);
  const isWhole = summary.failures.length === 0 && drilled.result.ready;
  if (keep !== undefined && (isWhole || (await catalog.read(() => findKeptLock(keep))) === undefined)) {
    await keepUnder(parts, job, { name: keep, drilled });
  }
  if (!isWhole) {
    const why = sentence(summary, drilled);
    if (keep !== undefined && job.input.isWatched) {
      const watched = `What it has now could not be mirrored, and the text before is kept. ${why}`;
      await catalog.write(() => noteWatch(keep, watched, parts.clock.nowMs()));
    }
    throw new JobGivesUp(why);
  }
  const { present, notes, targets } = drilled.result;
  const told = [...summary.notes, ...notes].slice(0, 200);
  return { ...summary.counts, ready: true, present, notes: told, targets };
}

async function keepUnder(
  { catalog, clock }: MirrorLockParts,
  job: JobRun<'mirror-lock'>,
  { name, drilled }: { readonly name: string; readonly drilled: Drilled },
): Promise<void> {
  const { lock, watch } = job.input;
  const now = clock.nowMs();
  const { actor } = job;
  await catalog.write(function* () {
    const options = JSON.stringify(optionsOf(job.input));
    // Between the drill and this step another node may have let a file go that was not used for long.
    const kept = yield* keepLock({ name, lock, options, watch }, readinessOf(drilled), { actor, now });
    if (kept === 'lost')
      throw new Problem('storage-unavailable', 'Files of the lock have gone while it was looked at.');
    if (watch) yield* enqueueJob(nextWatch(name, watch, now));
  });
}

/** How the lock is looked at, without what is to be done with it. */
function optionsOf({ index, targets, sdists }: LockJob): LockOptions {
  return { targets, sdists, ...(index === undefined ? {} : { index }) };
}

function sentence({ counts, failures }: MirrorSummary, { result }: Drilled): string {
  const [first] = failures;
  if (first !== undefined) {
    const rest = (counts.failed ?? 1) - 1;
    const others = rest === 0 ? '' : ` So it is with ${rest} more, each listed with its reason.`;
    const why = (first.why ?? 'nobody knows why').replace(/\.$/, '');
    return `${named(first)} could not be had: ${why}.${others} Mirror the lock again when that is mended, or lock another version.`;
  }
  const [missing] = result.missing;
  return `The lock is not ready although everything was fetched: ${missing?.name ?? 'something'} is missing, since ${missing?.why ?? 'it went in the meantime'}.`;
}

function named({ name, version, filename }: Outcome): string {
  const release = version === undefined ? name : `${name} ${version}`;
  return filename === undefined ? release : `${release} (${filename})`;
}
