import type { Catalog } from '../catalog/catalog.ts';
import { enqueueJob } from '../catalog/jobs.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { JobInputs, JobKind } from '../model/job.ts';
import { Bell } from './bell.ts';

/** Work that comes again and again. */
export interface Recurring<K extends JobKind = JobKind> {
  readonly kind: K;
  readonly input: JobInputs[K];
  /** Milliseconds from one to the next, counted from 1970, so that all nodes mean the same moments. */
  readonly everyMs: number;
}

const DAY_MS = 24 * 60 * 60_000;

/** What every server does of its own accord. `collectGarbageEveryMs`: a day when absent. */
export function recurringJobs(settings: { readonly collectGarbageEveryMs?: number } = {}): readonly Recurring[] {
  return [
    { kind: 'collect-garbage', input: {}, everyMs: settings.collectGarbageEveryMs ?? DAY_MS },
    { kind: 'prune-jobs', input: {}, everyMs: DAY_MS },
    { kind: 'verify-blobs', input: {}, everyMs: 7 * DAY_MS },
  ];
}

export interface Schedule {
  start(): void;
  stop(): Promise<void>;
}

const LONGEST_PAUSE_MS = 60_000;

/** Makes each recurring job once for all nodes, whichever comes first; what fell into a time when no node ran is made once, late. */
export function createSchedule(parts: {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Logger;
  readonly recurring: readonly Recurring[];
  /** Called when a job was made. */
  readonly onAdded?: () => void;
}): Schedule {
  const { catalog, clock, log, recurring, onAdded } = parts;
  const bell = new Bell(clock);
  const made = new Map<Recurring, number>();
  const pauseMs = Math.min(LONGEST_PAUSE_MS, ...recurring.map(({ everyMs }) => everyMs));
  let isStopping = false;
  let loop: Promise<void> | undefined;

  async function make(entry: Recurring): Promise<void> {
    const now = clock.nowMs();
    const turn = Math.floor(now / entry.everyMs);
    if (made.get(entry) === turn) return;
    const uniqueKey = `${entry.kind}@${new Date(turn * entry.everyMs).toISOString()}`;
    const job = { kind: entry.kind, input: entry.input, actor: { name: 'schedule' }, now, uniqueKey };
    const id = await catalog.write(() => enqueueJob(job));
    made.set(entry, turn);
    if (id !== undefined) onAdded?.();
  }

  async function run(): Promise<void> {
    while (!isStopping) {
      try {
        for (const entry of recurring) await make(entry);
      } catch (error) {
        log.warn({ err: error }, 'recurring jobs could not be scheduled; trying again soon');
      }
      await bell.wait(pauseMs);
    }
  }

  return {
    start: () => {
      loop ??= run();
    },
    stop: async () => {
      isStopping = true;
      bell.ring();
      await loop;
    },
  };
}
