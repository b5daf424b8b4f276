import type { IndexAddress } from './index-address.ts';
import type { BreakerState, UpstreamHealth } from './upstream.ts';

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
