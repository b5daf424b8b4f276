import type { Clock } from '../clock.ts';

/** A sleep that can be cut short. For one sleeper at a time. */
export class Bell {
  readonly #clock: Clock;
  #rung = false;
  #sleeping: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Wakes the sleeper; when nobody sleeps, the next one does not begin. */
  ring(): void {
    this.#rung = true;
    this.#sleeping?.abort();
  }

  /** Resolves after `ms`, or when the bell rings. */
  async wait(ms: number): Promise<void> {
    if (!this.#rung) {
      const sleeping = new AbortController();
      this.#sleeping = sleeping;
      try {
        await this.#clock.sleep(ms, sleeping.signal);
      } catch (error) {
        if (!sleeping.signal.aborted) throw error;
      } finally {
        this.#sleeping = undefined;
      }
    }
    this.#rung = false;
  }
}
