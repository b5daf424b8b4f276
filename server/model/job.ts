/** How a lock is to be looked at. */
export interface LockOptions {
  /** The index it is installed from; the default one when absent. */
  readonly index?: string;
  /** What it is installed on, such as `cp311-manylinux_2_17_x86_64`; empty: everywhere. */
  readonly targets: readonly string[];
  /** Also sdists, and what they need to be built. */
  readonly sdists: boolean;
}

/** What is to be done about a lock whose text is kept under its digest. */
export interface LockJob extends LockOptions {
  readonly lock: string;
  /** Keep it under this name when it is stored. */
  readonly keep?: string;
  /** Fetch the kept lock anew from there; `null`: no longer. */
  readonly watch?: { readonly url: string; readonly everyMs: number } | null;
  /** Of a text that a watch has found. */
  readonly isWatched?: true;
}

/** Another index that moves in. */
export interface IndexImport {
  readonly from: 'simple' | 'devpi';
  /** Ends in a slash; user and password are the job's secret. */
  readonly url: string;
  /** The hosted repository that takes its files. */
  readonly repository: string;
  /** Only these; empty: all that it lists. */
  readonly projects: readonly string[];
}

/** Files that somebody sends one by one. */
export interface FilesImport {
  readonly repository: string;
  /** Digest of the list of them: who sends the same list again goes on with the same job. */
  readonly list: string;
}

/** What each kind of job is told to do. A new kind is a line here; the compiler then asks for its handler (`jobs/handlers.ts`). */
export interface JobInputs {
  'collect-garbage': { readonly graceMs?: number };
  'verify-blobs': Record<never, never>;
  'prune-jobs': Record<never, never>;
  /** Removes bundle versions that retention does not keep. */
  'expire-bundles': Record<never, never>;
  /** Looks into the archive of a version that was published before its contents were known. */
  'read-archive': { readonly app: string; readonly version: string };
  'mirror-lock': LockJob;
  'check-locks': Record<never, never>;
  'watch-lock': { readonly name: string; readonly url: string; readonly everyMs: number };
  /** Tells the webhook that a kept lock has stopped being ready. */
  'notify-lock': { readonly name: string; readonly since: number };
  'import-index': IndexImport;
  /** Sums up when the files have come, or have not for too long. */
  'import-files': FilesImport;
}
export type JobKind = keyof JobInputs;

export const JOB_STATES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type JobState = (typeof JOB_STATES)[number];

/** Numbers that tell how far a job is. */
export type JobCounts = Readonly<Record<string, number>>;

/** A job as it stands. */
export interface Job {
  /** Sorts by the time it was made. */
  readonly id: string;
  readonly kind: JobKind;
  readonly state: JobState;
  readonly input: unknown;
  readonly progress: JobCounts;
  /** What the handler answered, of a job that succeeded. */
  readonly result?: Readonly<Record<string, unknown>>;
  /** Why it failed, or why the last try did: a sentence for people. */
  readonly error?: string;
  /** Grows with every change. */
  readonly revision: number;
  /** Name of whoever asked for it. */
  readonly by: string;
  /** Made by the schedule: then the audit trail says only if it fails. */
  readonly isScheduled: boolean;
  /** Milliseconds since 1970, all of them. */
  readonly createdAt: number;
  readonly dueAt: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  /** Tries that were begun. */
  readonly attempts: number;
  readonly cancelRequested: boolean;
}

/** What came of one thing that a job had to do. */
export interface JobOutcome {
  /** A word of the handler's, such as `stored`, `present`, `failed`. */
  readonly state: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

export interface JobItem extends JobOutcome {
  /** What it is about; unique within the job. A second outcome under the same key replaces the first. */
  readonly key: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** How a job's work tells what it does, and is told to stop. What it has told is kept across restarts. */
export interface JobReporter {
  /** Aborts when the job is cancelled, the node stops, or another node has taken the job over. Then the work throws the signal's reason. */
  readonly signal: AbortSignal;
  /** Replaces the counts. `position`: where to go on when the job has to begin again; given back as `JobRun.position`. */
  progress(counts: JobCounts, position?: string): void;
  /** Tells what came of one thing. Waits when many are waiting to be written. */
  item(key: string, outcome: JobOutcome): Promise<void>;
}

export function isFinished(state: JobState): boolean {
  return state !== 'queued' && state !== 'running';
}
