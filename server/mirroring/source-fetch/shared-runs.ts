/** Runs work once per key however many want it; it is aborted when none of them waits any more. */
export class SharedRuns<T> {
  readonly #runs = new Map<
    string,
    { readonly controller: AbortController; readonly outcome: Promise<T>; waiting: number }
  >();

  /** The outcome of the run under way for `key`, or of `work`. Rejects with the signal's reason when it aborts. */
  async run(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    let run = this.#runs.get(key);
    if (run === undefined || run.controller.signal.aborted) {
      const controller = new AbortController();
      const begun = { controller, outcome: work(controller.signal), waiting: 0 };
      const forget = (): void => {
        if (this.#runs.get(key) === begun) this.#runs.delete(key);
      };
      begun.outcome.then(forget, forget);
      this.#runs.set(key, begun);
      run = begun;
    }
    const { outcome, controller } = run;
    run.waiting += 1;
    const { promise: left, reject } = Promise.withResolvers<never>();
    const leave = (): void => reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([outcome, left]);
    } finally {
      signal.removeEventListener('abort', leave);
      run.waiting -= 1;
      if (run.waiting === 0) controller.abort(signal.reason);
    }
  }
}
