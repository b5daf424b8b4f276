import type { Catalog } from '../catalog/catalog.ts';
import { findJob } from '../catalog/jobs.ts';
import { findLockOfJob } from '../catalog/lock-texts.ts';
import type { LockJob } from '../model/job.ts';
import { Problem } from '../problem.ts';
import type { LockText } from './lock.ts';
import type { LockOrders } from './lock-orders.ts';
import { type RewriteOptions, rewrittenLock } from './rewritten.ts';

/** Gives out locks that were mirrored, changed so that they install from here, or name nothing but where everything came from. */
export class LockRewriter {
  readonly #catalog: Catalog;
  readonly #orders: LockOrders;
  readonly #upstreamUrl: RewriteOptions['upstreamUrl'];
  readonly #defaultIndex: string;

  constructor(parts: {
    readonly catalog: Catalog;
    readonly orders: LockOrders;
    /** The address of an upstream's index, as configured. */
    readonly upstreamUrl: RewriteOptions['upstreamUrl'];
    readonly defaultIndex: string;
  }) {
    this.#catalog = parts.catalog;
    this.#orders = parts.orders;
    this.#upstreamUrl = parts.upstreamUrl;
    this.#defaultIndex = parts.defaultIndex;
  }

  /** The lock of a job. Throws `job-not-found`, `job-not-done`, `lock-not-found`. */
  async ofJob(id: string, how: Pick<RewriteOptions, 'urls' | 'origin'>): Promise<LockText> {
    const job = await this.#catalog.read(() => findJob(id));
    const lock = await this.#catalog.read(() => findLockOfJob(id));
    if (job === undefined || lock === undefined)
      throw new Problem('job-not-found', 'There is no such job, or it is not about a lock.');
    if (job.state !== 'succeeded') {
      const why = job.error === undefined ? '' : ` ${job.error}`;
      throw new Problem('job-not-done', `The job is ${job.state}, so its lock is not outage-proof.${why}`);
    }
    const input = job.input as LockJob;
    const opened = await this.#orders.open(lock.digest, input);
    const prefix = input.index === undefined || input.index === this.#defaultIndex ? '' : `/index/${input.index}`;
    const options = { ...how, prefix, upstreamUrl: this.#upstreamUrl };
    return await rewrittenLock(opened, { id, catalog: this.#catalog }, options);
  }
}
