import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { SavedHealth } from './saved-health.ts';
import type { UpstreamHealth } from './upstream.ts';

export interface StateKeeperOptions {
  readonly name: string;
  readonly log: Logger;
  readonly save: ((state: SavedHealth) => Promise<void>) | undefined;
  readonly first: UpstreamHealth;
  /** Other processes keep the condition in the same place. Absent: nobody does. */
  readonly shared?: SharedState | undefined;
}

/** What it takes to hear of what other processes have found. */
export interface SharedState {
  readonly clock: Clock;
  /** Milliseconds from one look to the next. */
  readonly everyMs: number;
  /** What is kept now. */
  readonly load: () => Promise<SavedHealth | undefined>;
  /** Told of a condition that another process has found. */
  readonly learn: (state: SavedHealth) => void;
}

/**
 * Says changes of an upstream's condition in the log and keeps the last one, one write at a time. What is kept is also the message to
 * other processes: each looks at it again and again, and what it did not put there itself it learns.
 */
export class StateKeeper {
  readonly #options: StateKeeperOptions;
  readonly #stopping = new AbortController();
  #last: UpstreamHealth;
  #waiting: UpstreamHealth | undefined;
  #saving: Promise<void> | undefined;
  #following: Promise<void> | undefined;
  /** What was kept when it was looked at last. */
  #seen: SavedHealth | undefined;
  #isLearning = false;
  #isAway = false;

  constructor(options: StateKeeperOptions) {
    this.#options = options;
    this.#last = options.first;
  }

  changed(health: UpstreamHealth): void {
    const { save } = this.#options;
    if (health.state === this.#last.state && health.epoch === this.#last.epoch) return;
    if (health.state !== this.#last.state) this.#say(health);
    this.#last = health;
    if (!save || this.#isLearning) return;
    this.#waiting = health;
    this.#saving ??= this.#saveAll(save);
  }

  /** Begins to look at what other processes have found, until `stop`. */
  start(): void {
    const { shared } = this.#options;
    if (shared) this.#following ??= this.#follow(shared);
  }

  /**
   * Waits until the last condition is kept. `health`: how things are now; of a condition that nobody shares it is kept too, so that the next
   * process knows when the upstream answered last.
   */
  async stop(health: UpstreamHealth): Promise<void> {
    const { save, shared } = this.#options;
    this.#stopping.abort();
    await this.#following;
    if (save && !shared && health.lastSuccessAt !== this.#last.lastSuccessAt) {
      this.#waiting = health;
      this.#saving ??= this.#saveAll(save);
    }
    await this.#saving;
  }

  #say({ state, lastError }: UpstreamHealth): void {
    const { name, log } = this.#options;
    const by = this.#isLearning ? { by: 'another node' } : {};
    const fields = { upstream: name, state, before: this.#last.state, reason: lastError, ...by };
    if (state === 'open') log.warn(fields, 'the upstream is down; stored files and stale pages are served');
    else if (state === 'slow') log.warn(fields, 'the upstream is slow; stale pages are served meanwhile');
    else log.info(fields, 'the upstream answers again');
  }

  async #saveAll(save: (state: SavedHealth) => Promise<void>): Promise<void> {
    const { shared, log, name } = this.#options;
    for (let next = this.#waiting; next !== undefined; next = this.#waiting) {
      this.#waiting = undefined;
      const { retryAfter: _, ...kept } = next;
      try {
        await save(kept);
        // Another process may have found the same, a moment before: then all go by what it has kept.
        if (shared && this.#waiting === undefined) this.#hear(await shared.load(), shared);
        this.#isAway = false;
      } catch (error) {
        if (!this.#isAway) log.error({ upstream: name, err: error }, 'the state of the upstream is not kept');
        if (!shared) continue; // the next change is another chance; until then only a restart would notice
        this.#isAway = true;
        this.#waiting ??= next;
        break;
      }
    }
    this.#saving = undefined;
  }

  async #follow(shared: SharedState): Promise<void> {
    const { signal } = this.#stopping;
    const { save } = this.#options;
    while (!signal.aborted) {
      try {
        await shared.clock.sleep(shared.everyMs, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
        return;
      }
      if (this.#waiting && save) this.#saving ??= this.#saveAll(save);
      await this.#saving;
      await this.#look(shared);
    }
  }

  async #look(shared: SharedState): Promise<void> {
    const { name, log } = this.#options;
    try {
      const kept = await shared.load();
      // Our own news come first: what becomes of them is seen when they are kept.
      if (!this.#waiting && !this.#saving) this.#hear(kept, shared);
      this.#isAway = false;
    } catch (error) {
      if (!this.#isAway)
        log.warn({ upstream: name, err: error }, 'what other nodes know of the upstream cannot be seen');
      this.#isAway = true;
    }
  }

  #hear(kept: SavedHealth | undefined, { learn }: SharedState): void {
    if (kept === undefined || (kept.state === this.#seen?.state && kept.since === this.#seen.since)) return;
    this.#seen = kept;
    const isKnown = kept.state === this.#last.state && (kept.state === 'closed' || kept.since === this.#last.since);
    if (isKnown) return;
    this.#isLearning = true;
    try {
      learn(kept);
    } finally {
      this.#isLearning = false;
    }
  }
}
