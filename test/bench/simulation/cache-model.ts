import type { Bin } from './blob-bins.ts';

export interface CacheSize {
  readonly bytes: number;
  /** Requests that are remembered to tell what comes again. */
  readonly remembered: number;
}

export interface CacheOutcome {
  /** Share of requests answered from the cache. */
  readonly hits: number;
  /** The same, weighed by bytes. */
  readonly byteHits: number;
  /** Of requests: those that bring a blob into the cache. */
  readonly fills: number;
}

/**
 * What a cache by last use that takes in what is asked for a second time comes to in the long run, when requests do not depend on each other.
 * After Che, Tung and Wang (2002) for one such cache, and Martina, Garetto and Leonardi (2014) for two in a row: each cache is as if it kept
 * everything for a fixed time, which is found from its size.
 */
export function cacheOutcome(bins: readonly Bin[], { bytes, remembered }: CacheSize): CacheOutcome {
  const everything = bins.reduce((sum, bin) => sum + bin.bytes, 0);
  if (bytes <= 0) return { hits: 0, byteHits: 0, fills: 0 };
  if (bytes >= everything) return { hits: 1, byteHits: 1, fills: 0 };
  const kept = solve(bytes, (keepTime) => {
    const present = presence(bins, keepTime, remembered);
    return bins.reduce((sum, bin, index) => sum + bin.bytes * (present[index]?.cached ?? 0), 0);
  });
  const present = presence(bins, kept, remembered);
  let hits = 0;
  let byteHits = 0;
  let sent = 0;
  let fills = 0;
  for (const [index, { blobs, share, bytes: size }] of bins.entries()) {
    const { cached, known } = present[index] ?? { cached: 0, known: 0 };
    hits += blobs * share * cached;
    byteHits += share * size * cached;
    sent += share * size;
    fills += blobs * share * (1 - cached) * known;
  }
  return { hits, byteHits: byteHits / sent, fills };
}

interface Presence {
  readonly cached: number;
  readonly known: number;
}

/** For each bin: how likely a blob of it is in the cache, and remembered as asked, when things stay that long in the cache. */
function presence(bins: readonly Bin[], keepTime: number, remembered: number): readonly Presence[] {
  const at = (knownTime: number): Presence[] =>
    bins.map(({ share }) => {
      const asked = 1 - Math.exp(-share * keepTime);
      let cached = asked;
      let known = 0;
      for (let round = 0; round < 25; round += 1) {
        known = 1 - Math.exp(-share * (1 - cached) * knownTime);
        cached = (cached + (asked * known) / Math.max(Number.MIN_VALUE, 1 - asked + asked * known)) / 2;
      }
      return { cached, known };
    });
  const knownTime = solve(remembered, (time) => {
    const present = at(time);
    return bins.reduce((sum, { blobs }, index) => sum + blobs * (present[index]?.known ?? 0), 0);
  });
  return at(knownTime);
}

/** Where a function that grows comes to `goal`, by halving on a logarithmic scale. */
function solve(goal: number, grows: (x: number) => number): number {
  let low = 0;
  let high = 60;
  for (let step = 0; step < 34; step += 1) {
    const middle = (low + high) / 2;
    if (grows(2 ** middle) < goal) low = middle;
    else high = middle;
  }
  return 2 ** ((low + high) / 2);
}
