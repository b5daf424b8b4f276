/** What an `Lru` may hold in all, in the unit of its weights. */
export interface LruOptions<V> {
  readonly capacity: number;
  /** 1 when left out. */
  readonly weigh?: (value: V) => number;
  /** Called for every value that is no longer held, whatever the reason. */
  readonly onDrop?: (value: V) => void;
}

/** Values by key, bounded in weight; the least recently used goes first. */
export class Lru<K, V> {
  readonly #entries = new Map<K, V>();
  readonly #capacity: number;
  readonly #weigh: (value: V) => number;
  readonly #onDrop: (value: V) => void;
  #weight = 0;

  constructor(options: LruOptions<V>) {
    this.#capacity = options.capacity;
    this.#weigh = options.weigh ?? (() => 1);
    this.#onDrop = options.onDrop ?? (() => {});
  }

  get weight(): number {
    return this.#weight;
  }

  /** The value, which counts as used now. */
  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  /** Takes the place of an earlier value of the key. A value heavier than the whole capacity is dropped at once. */
  set(key: K, value: V): void {
    this.delete(key);
    this.#entries.set(key, value);
    this.#weight += this.#weigh(value);
    for (const oldest of this.#entries.keys()) {
      if (this.#weight <= this.#capacity) break;
      this.delete(oldest);
    }
  }

  delete(key: K): void {
    const value = this.#entries.get(key);
    if (value === undefined) return;
    this.#entries.delete(key);
    this.#weight -= this.#weigh(value);
    this.#onDrop(value);
  }

  clear(): void {
    for (const key of [...this.#entries.keys()]) this.delete(key);
  }
}
