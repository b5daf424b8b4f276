import type { Origin } from '../repository/repository.ts';

// RFC 9211: `hit` and `fwd` exclude each other; a page that upstream confirmed went forward and came back as 304.
const VALUES = {
  hit: 'stormcellar; hit',
  miss: 'stormcellar; fwd=miss',
  revalidated: 'stormcellar; fwd=stale; fwd-status=304',
  stale: 'stormcellar; fwd=stale',
} as const satisfies Record<Origin['outcome'], string>;

/** The `Cache-Status` value (RFC 9211) that tells where an answer came from. */
export function cacheStatus(origin: Origin): string {
  const value = VALUES[origin.outcome];
  return origin.detail === undefined ? value : `${value}; detail=${origin.detail}`;
}

const OUTCOME = /^stormcellar; (?:fwd=)?([a-z]+)/;

/** The word in such a value that says where the answer came from. */
export function outcomeOf(value: string): string | undefined {
  return OUTCOME.exec(value)?.[1];
}
