import { setTimeout as delay } from 'node:timers/promises';

/** The only source of time in the program, so that a test can move it. */
export interface Clock {
  now(): Date;
  /** Milliseconds since 1970, cheaper than `now()`. */
  nowMs(): number;
  /** Resolves after `ms`; rejects when `signal` aborts. Does not keep the process alive. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => new Date(),
  nowMs: () => Date.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, { ref: false, ...(signal ? { signal } : {}) });
  },
};
