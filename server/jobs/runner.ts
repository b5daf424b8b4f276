import { randomUUID } from 'node:crypto';
import type { Catalog } from '../catalog/catalog.ts';
import { type Claim, claimJob, type Ending, endJob, isJobDue, type Report } from '../catalog/job-claims.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { JobKind } from '../model/job.ts';
import { Problem } from '../problem.ts';
import { Bell } from './bell.ts';
import { type JobRun, LEASE_MS, LiveRun } from './job-run.ts';

/** Does one kind of job. What it answers is kept as the job's result, what it throws makes the job run again (see `JobGivesUp`). */
export type JobHandler<K extends JobKind> = (job: JobRun<K>) => Promise<object>;

/** One for every kind; the compiler sees to it. */
export type JobHandlers = { readonly [K in JobKind]: JobHandler<K> };

/** Thrown by a handler: to try again would help nothing. The message is a sentence for people. Problems below 500 mean the same. */
export class JobGivesUp extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'JobGivesUp';
  }
}

/** Runs jobs until stopped. Jobs are idempotent: after a crash one may run again. */
interface JobRunner {
  start(): void;
  /** Takes no new job, tells those under way to stop, and waits for them: whoever starts next goes on with them. */
  stop(): Promise<void>;
  /** Runs until nothing is due. For tests and one-shot commands. */
  drain(): Promise<void>;
  /** Says that there may be a new job, or that one was cancelled; without it they are noticed within a second or five. */
  wake(): void;
}

export interface RunnerParts {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called when a job has changed. */
  readonly onChange?: (id: string) => void;
  /** Jobs at a time; 2 when absent. */
  readonly concurrency?: number;
}

const POLL_MS = 1000;
const FIRST_RETRY_MS = 10_000;
const LONGEST_RETRY_MS = 60 * 60_000;

/** The runner of this process. */
export class Runner implements JobRunner {
  readonly #handlers: Partial<JobHandlers>;
  readonly #kinds: readonly JobKind[];
  readonly #parts: RunnerParts;
  readonly #active = new Map<LiveRun, Promise<void>>();
  readonly #bell: Bell;
  #loop: Promise<void> | undefined;
  #isStopping = false;
  #isCatalogAway = false;

  /** Leaves jobs for which it has no handler to others. */
  constructor(handlers: Partial<JobHandlers>, parts: RunnerParts) {
    this.#handlers = handlers;
    this.#kinds = Object.keys(handlers) as JobKind[];
    this.#parts = parts;
    this.#bell = new Bell(parts.clock);
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#bell.ring();
    for (const run of this.#active.keys()) run.stop('stopping');
    await this.#loop;
    await Promise.all(this.#active.values());
  }

  async drain(): Promise<void> {
    while (!this.#isStopping) {
      await this.#claimAll();
      if (this.#active.size === 0) return;
      await Promise.race(this.#active.values());
    }
  }

  wake(): void {
    this.#bell.ring();
    for (const run of this.#active.keys()) run.look();
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      try {
        await this.#claimAll();
        this.#isCatalogAway = false;
      } catch (error) {
        // Once for each time that it goes away, not once a second.
        if (!this.#isCatalogAway) this.#parts.log.error({ err: error }, 'no job can be claimed; trying again');
        this.#isCatalogAway = true;
      }
      await this.#bell.wait(POLL_MS);
    }
  }

  async #claimAll(): Promise<void> {
    const { catalog, clock, concurrency = 2, onChange } = this.#parts;
    while (!this.#isStopping && this.#active.size < concurrency) {
      const now = clock.nowMs();
      const kinds = this.#kinds;
      if (!(await catalog.read(() => isJobDue({ kinds, now })))) return;
      const claim = await catalog.write(() => claimJob({ kinds, holder: randomUUID(), now, leaseMs: LEASE_MS }));
      if (claim === undefined) return;
      onChange?.(claim.job.id);
      this.#begin(claim);
    }
  }

  #begin(claim: Claim): void {
    const { catalog, clock, log, onChange } = this.#parts;
    const run = new LiveRun(claim, { catalog, clock, log, onTold: (id) => onChange?.(id) });
    if (this.#isStopping) run.stop('stopping');
    const work = this.#work(claim, run).finally(() => {
      this.#active.delete(run);
      this.#bell.ring();
    });
    this.#active.set(run, work);
  }

  async #work(claim: Claim, run: LiveRun): Promise<void> {
    const handler = this.#handlers[claim.job.kind] as JobHandler<JobKind>;
    run.begin();
    let ending: Ending | undefined;
    try {
      ending = { state: 'succeeded', result: { ...(await handler(run)) } };
    } catch (error) {
      ending = this.#endingAfter(error, claim, run);
    }
    const report = await run.finish();
    if (ending !== undefined && run.stopped !== 'lost') await this.#end(claim, run, { report, ending });
  }

  /** Keeps trying for as long as the job is ours; after that it runs again, here or elsewhere. */
  async #end(claim: Claim, run: LiveRun, last: { readonly report: Report; readonly ending: Ending }): Promise<void> {
    const { catalog, clock, onChange } = this.#parts;
    for (;;) {
      try {
        await catalog.write(() => endJob(claim, last.report, last.ending, clock.nowMs()));
        onChange?.(claim.job.id);
        return;
      } catch (error) {
        if (this.#isStopping || clock.nowMs() >= run.heldUntil) {
          run.log.error({ err: error }, 'the end of the job could not be kept; it will run again');
          return;
        }
        await clock.sleep(POLL_MS);
      }
    }
  }

  #endingAfter(error: unknown, { job, maxAttempts }: Claim, run: LiveRun): Ending | undefined {
    if (run.stopped === 'lost') {
      run.log.warn('the job was taken over by another node');
      return undefined;
    }
    if (run.stopped === 'cancelled') return { state: 'cancelled' };
    const now = this.#parts.clock.nowMs();
    if (run.stopped === 'stopping') return { state: 'queued', dueAt: now, counted: false };
    const isForGood = error instanceof JobGivesUp || (error instanceof Problem && error.status < 500);
    const sentence = sentenceOf(error);
    if (isForGood || job.attempts >= maxAttempts) {
      if (isForGood) run.log.info({ err: error }, 'the job has failed');
      else run.log.error({ err: error }, 'the job has failed too often');
      return { state: 'failed', error: sentence };
    }
    const dueAt = now + Math.min(FIRST_RETRY_MS * 4 ** (job.attempts - 1), LONGEST_RETRY_MS);
    run.log.warn({ err: error, dueAt }, 'the job has failed and will be tried again');
    return { state: 'queued', dueAt, error: sentence, counted: true };
  }
}

function sentenceOf(error: unknown): string {
  if (error instanceof Problem) return error.detail;
  if (error instanceof JobGivesUp) return error.message;
  return 'Internal error: the log has more under the id of this job.';
}
