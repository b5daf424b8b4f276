import type { Assumptions } from './assumptions.ts';
import type { CacheOutcome, CacheSize } from './cache-model.ts';
import type { Population } from './population.ts';

/** Runs requests through a cache that works like storage/cached-store.ts, one after the other, and counts. */
export function runCache(
  population: Population,
  { filesFetched, metadataBytes }: Assumptions,
  run: CacheSize & { readonly random: () => number; readonly warmUp: number; readonly counted: number },
): CacheOutcome {
  const { random } = run;
  const copies = new ByUse(2 * population.files);
  const asked = new ByUse(2 * population.files);
  const sizeOf = (blob: number): number => (blob % 2 === 0 ? metadataBytes : (population.fileBytes[blob >>> 1] ?? 0));
  let held = 0;
  let [requests, hits, sent, sentFromCache, fills] = [0, 0, 0, 0, 0];
  const ask = (blob: number, isCounted: boolean): void => {
    const bytes = sizeOf(blob);
    const isHit = copies.use(blob);
    let isFill = false;
    if (!isHit) {
      isFill = asked.use(blob);
      if (!isFill) {
        asked.put(blob);
        if (asked.size > run.remembered) asked.drop();
      } else if (bytes <= run.bytes / 4) {
        copies.put(blob);
        held += bytes;
        while (held > run.bytes) held -= sizeOf(copies.drop());
      }
    }
    if (!isCounted) return;
    requests += 1;
    sent += bytes;
    if (isHit) {
      hits += 1;
      sentFromCache += bytes;
    }
    if (isFill) fills += 1;
  };
  for (let count = 0; count < run.warmUp + run.counted; count += 1) {
    const { file } = population.pick(random);
    const isCounted = count >= run.warmUp;
    ask(2 * file, isCounted);
    if (random() < filesFetched) ask(2 * file + 1, isCounted);
  }
  return { hits: hits / requests, byteHits: sentFromCache / sent, fills: fills / requests };
}

/** Numbers below `most` in the order of their last use: a ring of two arrays, whose last place is its beginning and end. */
class ByUse {
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #end: number;
  size = 0;

  constructor(most: number) {
    this.#end = most;
    this.#next = new Int32Array(most + 1).fill(-1);
    this.#previous = new Int32Array(most + 1).fill(-1);
    this.#next[most] = most;
    this.#previous[most] = most;
  }

  /** Says whether it is there, and makes it the last. */
  use(key: number): boolean {
    if (this.#next[key] === -1) return false;
    this.#unlink(key);
    this.#append(key);
    return true;
  }

  put(key: number): void {
    this.#append(key);
    this.size += 1;
  }

  /** Takes out the one whose last use is longest ago, and answers it. */
  drop(): number {
    const key = this.#next[this.#end] ?? this.#end;
    this.#unlink(key);
    this.#next[key] = -1;
    this.size -= 1;
    return key;
  }

  #append(key: number): void {
    const last = this.#previous[this.#end] ?? this.#end;
    this.#next[last] = key;
    this.#previous[key] = last;
    this.#next[key] = this.#end;
    this.#previous[this.#end] = key;
  }

  #unlink(key: number): void {
    const before = this.#previous[key] ?? this.#end;
    const after = this.#next[key] ?? this.#end;
    this.#next[before] = after;
    this.#previous[after] = before;
  }
}
