import type { Catalog } from '../catalog/catalog.ts';
import { type Counts, countRepository } from '../catalog/stats.ts';
import type { Clock } from '../clock.ts';
import type { Upstream, UpstreamHealth } from '../upstream/upstream.ts';

/** An upstream as administrators see it. */
export interface UpstreamOverview {
  readonly name: string;
  readonly breaker: UpstreamHealth['state'];
  readonly since: string;
  /** `null`: never yet. */
  readonly lastSuccess: string | null;
  readonly lastFailure: string | null;
  readonly lastError: string | null;
  /** Seconds until it is tried again, while it is down. */
  readonly nextProbe?: number;
  readonly pages: number;
  readonly files: number;
  readonly bytes: number;
}

/** Files that came through upstreams. */
interface CacheCounts {
  /** What several repositories hold counts for each. */
  readonly bytes: number;
  /** `limits.cacheBytes`. */
  readonly limit: number | null;
}

export interface Overview extends Counts {
  readonly cache: CacheCounts;
  readonly repositories: Readonly<Record<string, Counts>>;
}

// Counting rows costs time that grows with the catalog.
const COUNT_FOR_MS = 10_000;

/** What is here and how the upstreams are, for people and monitoring. */
export class Browse {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #repositories: readonly string[];
  readonly #upstreams: readonly Upstream[];
  readonly #cacheLimit: number | null;
  #counted: { readonly at: number; readonly counts: Promise<ReadonlyMap<string, Counts>> } | undefined;

  constructor(parts: {
    catalog: Catalog;
    clock: Clock;
    repositories: readonly string[];
    upstreams: readonly Upstream[];
    cacheLimit: number | null;
  }) {
    this.#catalog = parts.catalog;
    this.#clock = parts.clock;
    this.#repositories = parts.repositories;
    this.#upstreams = parts.upstreams;
    this.#cacheLimit = parts.cacheLimit;
  }

  /** Counts, at most ten seconds old. */
  async overview(): Promise<Overview> {
    const counts = await this.#counts();
    const all = [...counts.values()];
    const cached = this.#upstreams.flatMap(({ name }) => counts.get(name) ?? []);
    return {
      projects: sum(all, 'projects'),
      files: sum(all, 'files'),
      bytes: sum(all, 'bytes'),
      cache: { bytes: sum(cached, 'bytes'), limit: this.#cacheLimit },
      repositories: Object.fromEntries(counts),
    };
  }

  async upstreams(): Promise<readonly UpstreamOverview[]> {
    const counts = await this.#counts();
    return this.#upstreams.map((upstream) => {
      const held = counts.get(upstream.name);
      return {
        ...this.#condition(upstream),
        pages: held?.projects ?? 0,
        files: held?.files ?? 0,
        bytes: held?.bytes ?? 0,
      };
    });
  }

  /** The condition of each upstream alone; asks nothing. */
  conditions(): readonly Omit<UpstreamOverview, 'pages' | 'files' | 'bytes'>[] {
    return this.#upstreams.map((upstream) => this.#condition(upstream));
  }

  #condition(upstream: Upstream): Omit<UpstreamOverview, 'pages' | 'files' | 'bytes'> {
    const health = upstream.health();
    return {
      name: upstream.name,
      breaker: health.state,
      since: instant(health.since),
      lastSuccess: health.lastSuccessAt === undefined ? null : instant(health.lastSuccessAt),
      lastFailure: health.lastFailureAt === undefined ? null : instant(health.lastFailureAt),
      lastError: health.lastError ?? null,
      ...(health.state === 'open' ? { nextProbe: health.retryAfter } : {}),
    };
  }

  #counts(): Promise<ReadonlyMap<string, Counts>> {
    const now = this.#clock.nowMs();
    if (this.#counted === undefined || now - this.#counted.at > COUNT_FOR_MS) {
      const counts = this.#count();
      this.#counted = { at: now, counts };
      counts.catch(() => {
        this.#counted = undefined;
      });
    }
    return this.#counted.counts;
  }

  async #count(): Promise<ReadonlyMap<string, Counts>> {
    const counts = new Map<string, Counts>();
    for (const repository of this.#repositories) {
      counts.set(repository, await this.#catalog.read(() => countRepository(repository)));
    }
    return counts;
  }
}

function sum(counts: readonly Counts[], key: keyof Counts): number {
  return counts.reduce((total, one) => total + one[key], 0);
}

function instant(ms: number): string {
  return new Date(ms).toISOString();
}
