import type { Catalog } from '../catalog/catalog.ts';
import { findJob, type ItemCursor, newJobItems } from '../catalog/jobs.ts';
import type { Clock } from '../clock.ts';
import { isFinished, type Job, type JobItem } from '../model/job.ts';
import { Bell } from './bell.ts';

/** What a follower of a job has not seen yet. */
export interface JobUpdate {
  readonly job: Job;
  /** Outcomes told since the last update. */
  readonly items: readonly JobItem[];
}

/** How soon a change is seen that another node has made. */
const POLL_MS = 1000;
/** After every key: of that revision nothing is missing. */
const LAST_KEY = '\u{10ffff}';

/** Lets people watch jobs. Changes on this node are seen at once, those of others within a second. */
export class JobFeed {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #followers = new Map<string, Set<Bell>>();

  constructor(parts: { readonly catalog: Catalog; readonly clock: Clock }) {
    this.#catalog = parts.catalog;
    this.#clock = parts.clock;
  }

  /** Says that a job has changed. */
  changed(id: string): void {
    for (const bell of this.#followers.get(id) ?? []) bell.ring();
  }

  /**
   * The job as it stands, then every change, until it has finished or `signal` aborts; nothing when there is no such job. `after`:
   * the revision up to which the caller has seen everything.
   */
  async *follow(
    id: string,
    options: { readonly signal: AbortSignal; readonly after?: number },
  ): AsyncGenerator<JobUpdate> {
    const { signal, after = 0 } = options;
    const bell = new Bell(this.#clock);
    const wake = (): void => bell.ring();
    this.#add(id, bell);
    signal.addEventListener('abort', wake);
    try {
      let cursor: ItemCursor = { revision: after, key: LAST_KEY };
      let seen = after;
      while (!signal.aborted) {
        const job = await this.#catalog.read(() => findJob(id));
        if (job === undefined) return;
        const since = cursor;
        const told = await this.#catalog.read(() => newJobItems(id, since));
        cursor = told.cursor;
        if (job.revision !== seen || told.items.length > 0) yield { job, items: told.items };
        seen = job.revision;
        if (told.items.length > 0) continue;
        if (isFinished(job.state)) return;
        await bell.wait(POLL_MS);
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#remove(id, bell);
    }
  }

  #add(id: string, bell: Bell): void {
    const bells = this.#followers.get(id) ?? new Set();
    bells.add(bell);
    this.#followers.set(id, bells);
  }

  #remove(id: string, bell: Bell): void {
    const bells = this.#followers.get(id);
    bells?.delete(bell);
    if (bells?.size === 0) this.#followers.delete(id);
  }
}
