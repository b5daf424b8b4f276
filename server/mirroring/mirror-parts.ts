import type { SourceRecord } from '../catalog/sources.ts';
import type { Logger } from '../log.ts';
import type { Actor } from '../model/access.ts';
import type { JobCounts } from '../model/job.ts';
import type { BuildRequires } from './build-requires.ts';
import type { LockEntry, LockNote } from './lock.ts';
import type { Outcome } from './mirror-report.ts';

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
