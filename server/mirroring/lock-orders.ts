import { createHash } from 'node:crypto';
import type { Catalog } from '../catalog/catalog.ts';
import { enqueueJob } from '../catalog/jobs.ts';
import { findLockText, linkMirrorJob, putLockText } from '../catalog/lock-texts.ts';
import type { Clock } from '../clock.ts';
import type { Actor } from '../model/access.ts';
import type { LockJob, LockOptions } from '../model/job.ts';
import { Problem } from '../problem.ts';
import type { FirstMatch } from '../repository/first-match.ts';
import type { Drill, Drilled } from './drill.ts';
import type { DrillResult } from './findings.ts';
import type { Lock, LockText } from './lock.ts';
import { readLock } from './lock-formats.ts';
import type { PickOptions } from './pick-files.ts';
import { parseTargets } from './targets.ts';

/** A lock as somebody sends it, and what is asked for it. */
export interface LockOrder extends LockOptions {
  readonly text: LockText;
  readonly keep?: string;
  readonly watch?: { readonly url: string; readonly everyMs: number } | null;
  /** Of a text that a watch has found. */
  readonly isWatched?: true;
}

/** A lock that was read, and how it is to be looked at. */
export interface OpenedLock {
  readonly text: LockText;
  readonly lock: Lock;
  readonly index: FirstMatch;
  readonly options: PickOptions;
}

/** Takes locks in: checks them, and has them mirrored or drilled. */
export class LockOrders {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #drill: Drill;
  readonly #index: (name: string | undefined) => FirstMatch | undefined;
  readonly #checkAddress: (url: string) => Promise<void>;

  constructor(parts: {
    readonly catalog: Catalog;
    readonly clock: Clock;
    readonly drill: Drill;
    readonly index: (name: string | undefined) => FirstMatch | undefined;
    /** Throws `Problem` for an address that nothing is fetched from. */
    readonly checkAddress: (url: string) => Promise<void>;
  }) {
    this.#catalog = parts.catalog;
    this.#clock = parts.clock;
    this.#drill = parts.drill;
    this.#index = parts.index;
    this.#checkAddress = parts.checkAddress;
  }

  /** Makes the job that mirrors a lock; answers its id. Throws `malformed-request`, `index-not-found`, `not-accepted`. */
  async mirror(order: LockOrder, actor: Actor): Promise<string> {
    this.#open(order.text, order);
    const { text, index, targets, sdists, keep, watch, isWatched } = order;
    // The first look at it is a day away: too late to tell that there will never be one.
    if (watch) await this.#checkAddress(watch.url);
    const json = JSON.stringify(text);
    const digest = createHash('sha256').update(json).digest('hex');
    const input: LockJob = {
      lock: digest,
      targets,
      sdists,
      ...(index === undefined ? {} : { index }),
      ...(keep === undefined ? {} : { keep }),
      ...(watch === undefined ? {} : { watch }),
      ...(isWatched ? { isWatched } : {}),
    };
    const now = this.#clock.nowMs();
    return await this.#catalog.write(function* () {
      yield* putLockText(digest, json, now);
      const id = yield* enqueueJob({ kind: 'mirror-lock', input, actor, now });
      if (id === undefined) throw new Error('a job without a key is always made');
      yield* linkMirrorJob(id, digest);
      return id;
    });
  }

  /** Would the lock install with nothing but this server? Asks nobody outside. Throws `malformed-request`, `index-not-found`. */
  async drill(order: LockOrder): Promise<DrillResult> {
    return (await this.drillOpened(this.#open(order.text, order))).result;
  }

  async drillOpened({ lock, index, options }: OpenedLock): Promise<Drilled> {
    return await this.#drill.run(lock, index, options);
  }

  /** A lock that was taken in before. Throws `lock-not-found`, and `index-not-found` when its index is configured no more. */
  async open(digest: string, options: LockOptions): Promise<OpenedLock> {
    const json = await this.#catalog.read(() => findLockText(digest));
    if (json === undefined) throw new Problem('lock-not-found', 'The text of this lock was forgotten.');
    return this.#open(JSON.parse(json) as LockText, options);
  }

  #open(text: LockText, { index: name, targets, sdists }: LockOptions): OpenedLock {
    const index = this.#index(name);
    if (index === undefined) throw new Problem('index-not-found', 'There is no index of that name.');
    return { text, lock: readLock(text), index, options: { targets: parseTargets(targets), sdists } };
  }
}
