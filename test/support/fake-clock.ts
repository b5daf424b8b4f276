import type { Clock } from '../../server/clock.ts';

interface Sleeper {
  readonly dueAt: number;
  readonly wake: () => void;
}

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #now: number;
  readonly #sleepers = new Set<Sleeper>();
  readonly #watchers = new Set<() => void>();

  /** Begins at `startMs`, milliseconds since 1970; in June 2026 when absent. */
  constructor(startMs = Date.UTC(2026, 5, 1, 12)) {
    this.#now = startMs;
  }

  now(): Date {
    return new Date(this.#now);
  }

  nowMs(): number {
    return this.#now;
  }

  /** How many sleep now. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (ms <= 0) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sleeper = { dueAt: Math.ceil(this.#now + ms), wake: resolve };
    const abort = () => reject(signal?.reason);
    this.#sleepers.add(sleeper);
    signal?.addEventListener('abort', abort, { once: true });
    for (const watcher of this.#watchers) watcher();
    try {
      await promise;
    } finally {
      this.#sleepers.delete(sleeper);
      signal?.removeEventListener('abort', abort);
    }
  }

  /**
   * Moves time by `ms`, waking sleepers in the order of their times; what they then do has run when it resolves. `wakes: false`:
   * nobody wakes before the next call, as when a machine was asleep.
   */
  async advance(ms: number, { wakes = true }: { readonly wakes?: boolean } = {}): Promise<void> {
    const end = this.#now + ms;
    if (!wakes) {
      this.#now = end;
      return;
    }
    for (;;) {
      const next = [...this.#sleepers].filter(({ dueAt }) => dueAt <= end).sort((a, b) => a.dueAt - b.dueAt)[0];
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.dueAt);
      this.#sleepers.delete(next);
      next.wake();
      await settled();
    }
    this.#now = end;
    await settled();
  }

  /** Resolves once at least `count` sleep: what is under test has come to where it waits. */
  async untilSleeping(count = 1): Promise<void> {
    while (this.#sleepers.size < count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#watchers.add(resolve);
      await promise;
      this.#watchers.delete(resolve);
    }
  }
}

/** Lets promises that are ready, and callbacks of I/O that is, run first. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
