import { Problem } from '../problem.ts';
import type { Upstream, UpstreamHealth } from './upstream.ts';

/** An upstream whose address is not known: what is kept is served, and every question says what to set. */
export class NoUpstream implements Upstream {
  readonly name: string;
  readonly downSince: number;

  constructor(name: string, since: number) {
    this.name = name;
    this.downSince = since;
  }

  async page(): Promise<never> {
    throw this.#problem();
  }

  async download(): Promise<never> {
    throw this.#problem();
  }

  async document(): Promise<never> {
    throw this.#problem();
  }

  health(): UpstreamHealth {
    return { state: 'open', since: this.downSince, epoch: 0, lastError: 'no address is set', retryAfter: 60 };
  }

  reportSlow(): void {}

  distrust(): void {}

  start(): void {}

  async stop(): Promise<void> {}

  #problem(): Problem {
    return new Problem('upstream-unavailable', `The address of the upstream ${this.name} is not set.`, {
      retryAfter: 60,
    });
  }
}
