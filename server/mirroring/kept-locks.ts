import type { Catalog } from '../catalog/catalog.ts';
import { findLockText } from '../catalog/lock-texts.ts';
import { dropLock, findKeptLock, type KeptLock, listKeptLocks, listLockVersions } from '../catalog/locks.ts';
import type { Clock } from '../clock.ts';
import type { Actor } from '../model/access.ts';
import type { LockOptions } from '../model/job.ts';
import { Problem } from '../problem.ts';
import type { Missing } from './findings.ts';
import type { LockText } from './lock.ts';

/** A kept lock, as people see it. */
export interface KeptLockView extends Omit<KeptLock, 'options' | 'missing'> {
  readonly options: LockOptions;
  /** The first things that are missing. */
  readonly missing: readonly Missing[];
}

/** One of the texts that a kept lock has had. */
export interface LockVersion {
  readonly lock: string;
  readonly keptAt: number;
  readonly keptBy: string;
}

/** The use cases around kept locks. Who may is asked before. */
export class KeptLocks {
  readonly #catalog: Catalog;
  readonly #clock: Clock;

  constructor(parts: { readonly catalog: Catalog; readonly clock: Clock }) {
    this.#catalog = parts.catalog;
    this.#clock = parts.clock;
  }

  /** In the order of their names, after `after`. */
  async list(after: string, limit: number): Promise<readonly KeptLockView[]> {
    return (await this.#catalog.read(() => listKeptLocks(after, limit))).map(view);
  }

  /** With every text that it has had, newest first. Throws `lock-not-found`. */
  async get(name: string): Promise<KeptLockView & { readonly versions: readonly LockVersion[] }> {
    const lock = await this.#catalog.read(() => findKeptLock(name));
    if (lock === undefined) throw notFound(name);
    return { ...view(lock), versions: await this.#catalog.read(() => listLockVersions(name)) };
  }

  /** The text that a lock has, or had as one of its versions. Throws `lock-not-found`. */
  async text(name: string, version?: string): Promise<LockText> {
    const { lock, versions } = await this.get(name);
    const wanted = version ?? lock;
    const json = versions.some((each) => each.lock === wanted)
      ? await this.#catalog.read(() => findLockText(wanted))
      : undefined;
    if (json === undefined) throw notFound(name);
    return JSON.parse(json) as LockText;
  }

  /** Keeps the lock no longer. Throws `lock-not-found`. */
  async drop(name: string, actor: Actor): Promise<void> {
    if (!(await this.#catalog.write(() => dropLock(name, actor, this.#clock.nowMs())))) throw notFound(name);
  }
}

function view({ options, missing, ...lock }: KeptLock): KeptLockView {
  return { ...lock, options: JSON.parse(options) as LockOptions, missing: JSON.parse(missing) as Missing[] };
}

function notFound(name: string): Problem {
  return new Problem('lock-not-found', `No lock ${name} is kept.`);
}
