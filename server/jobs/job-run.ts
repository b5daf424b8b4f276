import type { Catalog } from '../catalog/catalog.ts';
import { type Claim, type Report, renewJob } from '../catalog/job-claims.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { Actor } from '../model/access.ts';
import type { JobCounts, JobInputs, JobItem, JobKind, JobOutcome, JobReporter } from '../model/job.ts';
import { Bell } from './bell.ts';

/** A job at work, as its handler sees it. After a crash it runs again from the start, or from `position`: handlers are idempotent. */
export interface JobRun<K extends JobKind = JobKind> extends JobReporter {
  readonly id: string;
  readonly input: JobInputs[K];
  /** Who asked for the job; for audit events of what it does. */
  readonly actor: Actor;
  /** What was given to `progress` last, by a try before this one. */
  readonly position?: string;
  /** The counts that were told with `position`. */
  readonly counts: JobCounts;
  /** What was given to the job for its handler alone. */
  readonly secret?: string;
  readonly log: Logger;
}

/** Why a run's signal aborts. */
export class JobStopped extends Error {
  readonly why: 'cancelled' | 'stopping' | 'lost';
  constructor(why: JobStopped['why']) {
    super(`the job is ${why}`);
    this.name = 'JobStopped';
    this.why = why;
  }
}

/** How long a node may be silent before others take its jobs over, milliseconds. The nodes' clocks may differ by less. */
export const LEASE_MS = 60_000;
const RENEW_MS = 5000;
/** How soon followers see what a handler tells. */
const TELL_MS = 1000;
const MAX_WAITING_ITEMS = 200;

export interface LiveRunParts {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called when a follower has something new to see. */
  readonly onTold: (id: string) => void;
}

/** Stands between a handler and the catalog: renews the lease, gathers what is told, and hears whether the job shall go on. */
export class LiveRun<K extends JobKind = JobKind> implements JobRun<K> {
  readonly id: string;
  readonly input: JobInputs[K];
  readonly actor: Actor;
  readonly log: Logger;
  readonly position?: string;
  readonly counts: JobCounts;
  readonly secret?: string;
  readonly signal: AbortSignal;
  readonly #claim: Claim;
  readonly #parts: LiveRunParts;
  readonly #abort = new AbortController();
  readonly #bell: Bell;
  #counts: JobCounts | undefined;
  #position: string | undefined;
  #items = new Map<string, JobItem>();
  #renewedAt: number;
  #telling: Promise<void> = Promise.resolve();
  #renewing: Promise<void> | undefined;
  #isLooking = false;
  #over = false;

  constructor(claim: Claim, parts: LiveRunParts) {
    this.#claim = claim;
    this.#parts = parts;
    this.#bell = new Bell(parts.clock);
    this.#renewedAt = parts.clock.nowMs();
    this.id = claim.job.id;
    this.input = claim.job.input as JobInputs[K];
    this.counts = claim.job.progress;
    this.actor = { name: claim.job.by };
    this.log = parts.log.child({ job: claim.job.id, kind: claim.job.kind });
    this.signal = this.#abort.signal;
    if (claim.position !== undefined) this.position = claim.position;
    if (claim.secret !== undefined) this.secret = claim.secret;
  }

  /** Why the handler was told to stop, if it was. */
  get stopped(): JobStopped['why'] | undefined {
    return this.signal.aborted ? (this.signal.reason as JobStopped).why : undefined;
  }

  /** Until when the job is ours, as far as we know. */
  get heldUntil(): number {
    return this.#renewedAt + LEASE_MS;
  }

  progress(counts: JobCounts, position?: string): void {
    this.#counts = counts;
    this.#position = position;
  }

  async item(key: string, { state, detail = {} }: JobOutcome): Promise<void> {
    while (this.#items.size >= MAX_WAITING_ITEMS) {
      this.signal.throwIfAborted();
      await this.#tell();
      if (this.#items.size >= MAX_WAITING_ITEMS) await this.#parts.clock.sleep(TELL_MS, this.signal);
    }
    this.#items.set(key, { key, state, detail });
  }

  /** Tells the handler to stop. */
  stop(why: JobStopped['why']): void {
    if (!this.signal.aborted) this.#abort.abort(new JobStopped(why));
  }

  /** Asks the catalog at once whether the job shall go on. */
  look(): void {
    this.#isLooking = true;
    this.#bell.ring();
  }

  begin(): void {
    this.#renewing = this.#renew();
  }

  /** Stops renewing; answers what has been told and is not kept yet. */
  async finish(): Promise<Report> {
    this.#over = true;
    this.#bell.ring();
    await this.#renewing;
    await this.#telling;
    return this.#take();
  }

  async #renew(): Promise<void> {
    while (!this.#over) {
      await this.#bell.wait(TELL_MS);
      const isNews = this.#isLooking || this.#counts !== undefined || this.#items.size > 0;
      this.#isLooking = false;
      if (!this.#over && (isNews || this.#parts.clock.nowMs() - this.#renewedAt >= RENEW_MS)) await this.#tell();
    }
  }

  #tell(): Promise<void> {
    this.#telling = this.#telling.then(() => this.#tellNow());
    return this.#telling;
  }

  async #tellNow(): Promise<void> {
    const { catalog, clock, onTold } = this.#parts;
    const report = this.#take();
    const now = clock.nowMs();
    try {
      const held = await catalog.write(() => renewJob(this.#claim, report, { now, leaseMs: LEASE_MS }));
      if (held === 'lost') return this.stop('lost');
      this.#renewedAt = now;
      if (held === 'cancel') this.stop('cancelled');
      if (report.progress !== undefined || report.items.length > 0) onTold(this.id);
    } catch (error) {
      this.#putBack(report);
      if (clock.nowMs() >= this.heldUntil) this.stop('lost');
      else this.log.warn({ err: error }, 'the job could not be renewed; trying again');
    }
  }

  #take(): Report {
    const items = [...this.#items.values()];
    const report = this.#counts === undefined ? { items } : { items, progress: this.#counts, position: this.#position };
    this.#items = new Map();
    this.#counts = undefined;
    return report;
  }

  /** What has been told since is newer. */
  #putBack({ progress, position, items }: Report): void {
    this.#items = new Map([...items.map((item) => [item.key, item] as const), ...this.#items]);
    if (this.#counts !== undefined || progress === undefined) return;
    this.#counts = progress;
    this.#position = position;
  }
}
