import { isIPv6 } from 'node:net';
import { LRUCache } from 'lru-cache';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';

/** How many failures an address may have in how many seconds, and how many addresses are remembered. */
export interface FailedAttemptLimits {
  readonly attempts: number;
  readonly perSeconds: number;
  readonly addresses: number;
}

const DEFAULTS: FailedAttemptLimits = { attempts: 300, perSeconds: 60, addresses: 10_000 };

/**
 * Counts failures by address. It is asked only after credentials have failed, so it never stands in the way of good ones, and
 * one address never in the way of another.
 */
export class FailedAttempts {
  readonly #limiter: RateLimiterMemory;
  // The limiter itself would remember every address until its time is over.
  readonly #known: LRUCache<string, true>;

  constructor(limits: Partial<FailedAttemptLimits> = {}) {
    const { attempts, perSeconds, addresses } = { ...DEFAULTS, ...limits };
    const limiter = new RateLimiterMemory({ points: attempts, duration: perSeconds });
    this.#limiter = limiter;
    this.#known = new LRUCache({ max: addresses, dispose: (_, key, why) => why === 'evict' && limiter.delete(key) });
  }

  /** Counts one more failure; answers the seconds to wait when there have been too many, else `undefined`. */
  async count(address: string): Promise<number | undefined> {
    const key = networkOf(address);
    this.#known.set(key, true);
    try {
      await this.#limiter.consume(key);
      return undefined;
    } catch (outcome) {
      if (!(outcome instanceof RateLimiterRes)) throw outcome;
      return Math.max(1, Math.ceil(outcome.msBeforeNext / 1000));
    }
  }
}

/** One household has one IPv4 address, but 2^64 of IPv6: these count as one. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address);
  if (mapped?.[1] !== undefined) return mapped[1];
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const rest = tail === '' ? [] : tail.split(':');
    while (groups.length + rest.length < 8) groups.push('0');
    groups.push(...rest);
  }
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
