import { LRUCache } from 'lru-cache';
import type { BundleVersion } from '../model/bundle.ts';
import { projectName } from '../model/project-name.ts';
import { compareWithLock, type LockComparison, type LockReader } from './lock-compare.ts';

// More than any application has; a comparison with more would hold up everybody else each time that somebody looks.
const MOST_PINS = 50_000;
// All that are remembered, in releases that they name.
const MOST_REMEMBERED = 100_000;

/** What archives hold against what their locks say, each compared once: neither changes, and to read a lock can take long. */
export class LockComparisons {
  readonly #readLock: LockReader;
  readonly #known = new LRUCache<string, { readonly comparison: LockComparison | undefined }>({
    maxSize: MOST_REMEMBERED,
    sizeCalculation: ({ comparison }) => 1 + (comparison === undefined ? 0 : sizeOf(comparison)),
  });

  constructor(readLock: LockReader) {
    this.#readLock = readLock;
  }

  /** `undefined` when the contents, or the pins of the lock, are not known. */
  of(
    { app, digest, contents: { distributions } }: BundleVersion,
    lock: { readonly name: string; readonly digest: string; readonly body: string },
  ): LockComparison | undefined {
    if (distributions === null) return undefined;
    const key = [app, digest, lock.digest, lock.name].join('\n');
    const known = this.#known.get(key);
    if (known !== undefined) return known.comparison;
    const pins = this.#readLock(lock.name, lock.body);
    const isKnown = pins !== undefined && pins.length <= MOST_PINS;
    const comparison = isKnown ? compareWithLock(distributions, pins, projectName(app)) : undefined;
    this.#known.set(key, { comparison });
    return comparison;
  }
}

function sizeOf({ notInLock, notInBundle, differs }: LockComparison): number {
  return notInLock.length + notInBundle.length + differs.length;
}
