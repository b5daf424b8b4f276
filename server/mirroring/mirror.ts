import type { SourceRecord } from '../catalog/sources.ts';
import type { Logger } from '../log.ts';
import type { Actor } from '../model/access.ts';
import type { JobCounts, JobReporter } from '../model/job.ts';
import type { FirstMatch } from '../repository/first-match.ts';
import type { BuildRequires } from './build-requires.ts';
import type { Lock, LockEntry, LockNote } from './lock.ts';
import { MirrorReport, type Outcome } from './mirror-report.ts';
import { MirrorRun } from './mirror-run.ts';
import { neededEntries } from './needed.ts';
import type { PickOptions } from './pick-files.ts';

/** An archive that is kept by now. */
export interface KeptNow {
  readonly record: SourceRecord;
  /** It was fetched just now. */
  readonly isNew: boolean;
  /** Of git. */
  readonly commit?: string;
  /** What it lacks or differs in: sentences. */
  readonly notes: readonly string[];
}

/** Keeps the archive of a URL or VCS requirement. Throws `Problem`. */
export interface SourceKeeper {
  keep(entry: LockEntry, options: { readonly signal: AbortSignal; readonly actor: Actor }): Promise<KeptNow>;
}

export interface MirrorParts {
  readonly sources: SourceKeeper;
  readonly buildRequires: BuildRequires;
  readonly log: Logger;
  /** Files that one run fetches at once. */
  readonly atOnce: number;
}

/** What a run came to. */
export interface MirrorSummary {
  readonly counts: JobCounts;
  /** The first things that could not be had; none: the lock is outage-proof. */
  readonly failures: readonly Outcome[];
  readonly notes: readonly LockNote[];
}

/**
 * Stores what a lock needs, through the same door that installers use. Idempotent: what is stored already is not fetched again. Tells each
 * thing's outcome; what fails does not stop the rest, and is tried once more at the end when the cause may have passed.
 */
export class Mirror {
  readonly #parts: MirrorParts;

  constructor(parts: MirrorParts) {
    this.#parts = parts;
  }

  /** Rejects with the job's reason when it is told to stop, and when the catalog cannot be reached. */
  async run(
    lock: Lock,
    order: { readonly index: FirstMatch; readonly options: PickOptions; readonly actor: Actor },
    job: JobReporter,
  ): Promise<MirrorSummary> {
    const needed = neededEntries(lock, order.options.targets);
    const run = new MirrorRun(this.#parts, order, new MirrorReport(job, needed.length));
    if (lock.format === 'requirements-txt') run.lookForUnnamed(needed);
    const summary = await run.all(needed);
    return { ...summary, notes: await run.unnamed(needed) };
  }
}
