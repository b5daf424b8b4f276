import { giveUpContents } from '../catalog/bundle-contents.ts';
import type { Catalog } from '../catalog/catalog.ts';
import {
  cancelJob,
  countJobItems,
  enqueueJob,
  findActiveJob,
  findJob,
  type ItemFilter,
  type JobFilter,
  listJobItems,
  listJobs,
} from '../catalog/jobs.ts';
import type { Clock } from '../clock.ts';
import type { Actor } from '../model/access.ts';
import type { Job, JobCounts, JobInputs, JobItem, JobKind } from '../model/job.ts';
import { Problem } from '../problem.ts';
import type { JobFeed, JobUpdate } from './job-feed.ts';

/** The use cases around jobs. Who may is asked before. */
export class Jobs {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #feed: JobFeed;
  readonly #wake: () => void;

  /** `wake` tells the runner of this process that there is something new. */
  constructor(parts: {
    readonly catalog: Catalog;
    readonly clock: Clock;
    readonly feed: JobFeed;
    readonly wake: () => void;
  }) {
    this.#catalog = parts.catalog;
    this.#clock = parts.clock;
    this.#feed = parts.feed;
    this.#wake = parts.wake;
  }

  /** Makes a job. */
  async add<K extends JobKind>(kind: K, input: JobInputs[K], actor: Actor): Promise<Job> {
    const now = this.#clock.nowMs();
    const id = await this.#catalog.write(() => enqueueJob({ kind, input, actor, now }));
    this.#wake();
    return await this.get(id ?? '');
  }

  /** Makes a job, unless one of that kind waits or runs: then answers that one. */
  async addOnce<K extends JobKind>(kind: K, input: JobInputs[K], actor: Actor): Promise<Job> {
    const now = this.#clock.nowMs();
    const id = await this.#catalog.write(function* () {
      const active = yield* findActiveJob(kind);
      return active?.id ?? (yield* enqueueJob({ kind, input, actor, now }));
    });
    this.#wake();
    return await this.get(id ?? '');
  }

  /** Says that a script of somebody else's has made a job. */
  wake(): void {
    this.#wake();
  }

  /** Says that somebody else has changed a job. */
  changed(id: string): void {
    this.#feed.changed(id);
  }

  /** Throws `job-not-found`. */
  async get(id: string): Promise<Job> {
    return found(await this.#catalog.read(() => findJob(id)));
  }

  /** Newest first. */
  async list(filter: JobFilter): Promise<readonly Job[]> {
    return await this.#catalog.read(() => listJobs(filter));
  }

  /** What came of the things that the job had to do. */
  async items(id: string, filter: ItemFilter): Promise<readonly JobItem[]> {
    return await this.#catalog.read(() => listJobItems(id, filter));
  }

  /** How many things came to each state. */
  async itemCounts(id: string): Promise<JobCounts> {
    return await this.#catalog.read(() => countJobItems(id));
  }

  /** Asks for a job to be given up; one that has finished stays as it is. Throws `job-not-found`. */
  async cancel(id: string, actor: Actor): Promise<Job> {
    const now = this.#clock.nowMs();
    const job = await this.#catalog.write(function* () {
      const cancelled = yield* cancelJob(id, actor, now);
      // One that runs says so itself, at its end.
      if (cancelled?.kind === 'read-archive' && cancelled.state === 'cancelled')
        yield* giveUpContents(cancelled.input as JobInputs['read-archive']);
      return cancelled;
    });
    this.#wake();
    this.#feed.changed(id);
    return found(job);
  }

  /** The job, then its changes, until it has finished or `signal` aborts. `after`: the revision that the caller knows. */
  follow(id: string, options: { readonly signal: AbortSignal; readonly after?: number }): AsyncIterable<JobUpdate> {
    return this.#feed.follow(id, options);
  }
}

function found(job: Job | undefined): Job {
  if (job === undefined) throw new Problem('job-not-found', 'There is no such job, or it was forgotten since.');
  return job;
}
