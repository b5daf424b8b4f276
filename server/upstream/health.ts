import type { Logger } from '../log.ts';
import type { IndexAddress } from './index-address.ts';
import type { BreakerState, UpstreamHealth } from './upstream.ts';

/** What outlives the process. */
export interface SavedHealth {
  readonly state: BreakerState;
  readonly since: number;
  readonly epoch: number;
  readonly lastSuccessAt?: number;
  readonly lastFailureAt?: number;
  readonly lastError?: string;
}

/** The condition of an index with several addresses: it is as well as the address that would be asked first. */
export function healthOf(addresses: readonly IndexAddress[]): UpstreamHealth {
  const states = addresses.map(({ breaker }) => breaker.state);
  const state: BreakerState = states.includes('closed') ? 'closed' : states.includes('slow') ? 'slow' : 'open';
  const such = addresses.filter(({ breaker }) => breaker.state === state);
  const since = Math.max(...such.map(({ breaker }) => breaker.since));
  const lastSuccessAt = latest(addresses.map((address) => address.lastSuccessAt));
  const lastFailureAt = latest(addresses.map((address) => address.lastFailureAt));
  const lastError = addresses.find((address) => address.lastFailureAt === lastFailureAt)?.lastError;
  return {
    state,
    since,
    epoch: state === 'closed' ? 0 : since,
    retryAfter: Math.min(...addresses.map(({ breaker }) => breaker.retryAfter)),
    ...(lastSuccessAt === undefined ? {} : { lastSuccessAt }),
    ...(lastFailureAt === undefined ? {} : { lastFailureAt }),
    ...(lastError === undefined ? {} : { lastError }),
  };
}

function latest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

export interface StateKeeperOptions {
  readonly name: string;
  readonly log: Logger;
  readonly save: ((state: SavedHealth) => Promise<void>) | undefined;
  readonly first: UpstreamHealth;
}

/** Says changes of an upstream's condition in the log and keeps the last one, one write at a time. */
export class StateKeeper {
  readonly #options: StateKeeperOptions;
  #last: UpstreamHealth;
  #waiting: UpstreamHealth | undefined;
  #saving: Promise<void> | undefined;

  constructor(options: StateKeeperOptions) {
    this.#options = options;
    this.#last = options.first;
  }

  changed(health: UpstreamHealth): void {
    const { name, log, save } = this.#options;
    if (health.state === this.#last.state && health.epoch === this.#last.epoch) return;
    const { state, lastError } = health;
    const fields = { upstream: name, state, before: this.#last.state, reason: lastError };
    if (state === 'open') log.warn(fields, 'the upstream is down; stored files and stale pages are served');
    else if (state === 'slow') log.warn(fields, 'the upstream is slow; stale pages are served meanwhile');
    else log.info(fields, 'the upstream answers again');
    this.#last = health;
    if (!save) return;
    this.#waiting = health;
    this.#saving ??= this.#saveAll(save);
  }

  /** Waits until the last condition is kept. */
  async stop(): Promise<void> {
    await this.#saving;
  }

  async #saveAll(save: (state: SavedHealth) => Promise<void>): Promise<void> {
    for (;;) {
      const next = this.#waiting;
      this.#waiting = undefined;
      if (!next) {
        this.#saving = undefined;
        return;
      }
      const { retryAfter: _, ...kept } = next;
      try {
        await save(kept);
      } catch (error) {
        // The next change is another chance; until then only a restart would notice.
        this.#options.log.error({ upstream: this.#options.name, err: error }, 'the state of the upstream is not kept');
      }
    }
  }
}
