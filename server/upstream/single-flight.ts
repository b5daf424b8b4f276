import { Problem } from '../problem.ts';

/** One run per key at a time: whoever asks for a key that is being worked on gets that run's outcome, error or not. Nothing is kept. */
export class SingleFlight<K, V> {
  readonly #runs = new Map<K, Promise<V>>();
  readonly #max: number;

  /** `max`: how many keys may be under way. */
  constructor(options: { readonly max?: number } = {}) {
    this.#max = options.max ?? 10_000;
  }

  /** How many keys are being worked on. */
  get size(): number {
    return this.#runs.size;
  }

  /**
   * The outcome of the run under way for `key`, or of `work`, which then is that run. Throws what the run throws, and
   * `upstream-unavailable` when too many keys are under way.
   */
  run(key: K, work: () => Promise<V>): Promise<V> {
    const running = this.#runs.get(key);
    if (running) return running;
    if (this.#runs.size >= this.#max) {
      return Promise.reject(
        new Problem('upstream-unavailable', 'Too much is being asked for at once.', { retryAfter: 1 }),
      );
    }
    const run = Promise.resolve()
      .then(work)
      .finally(() => this.#runs.delete(key));
    this.#runs.set(key, run);
    return run;
  }
}
