/** The only source of time in the program, so that a test can move it. */
export interface Clock {
  now(): Date;
  /** Milliseconds since 1970, cheaper than `now()`. */
  nowMs(): number;
  /** Resolves after `ms`; rejects with its reason when `signal` aborts. Does not keep the process alive. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => new Date(),
  nowMs: () => Date.now(),
  // Node's own makes an error with a stack for each sleep that is broken off, and nearly all of ours are.
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const abort = (): void => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', abort);
        resolve();
      }, ms);
      timer.unref();
      signal?.addEventListener('abort', abort, { once: true });
    }),
};
