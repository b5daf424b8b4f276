import { setTimeout as delay } from 'node:timers/promises';
import type { TestServer } from '../support/test-server.ts';
import type { Random } from './random.ts';

/** An answer, as far as it came. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
  /** Nothing of the body is missing. */
  readonly isWhole: boolean;
  readonly ms: number;
  /** The node lived all the while: nothing excuses it. */
  readonly isSteady: boolean;
}

const PATIENCE_MS = 30_000;

/** The nodes of a cellar, of which one after the other is killed and started again. */
export class Nodes {
  readonly #nodes: readonly TestServer[];
  readonly #random: Random;
  /** By node: grows when it is killed and when it is back. Odd: it is away. */
  readonly #lives: number[];
  #turn = 0;
  deaths = 0;

  constructor(nodes: readonly TestServer[], random: Random) {
    this.#nodes = nodes;
    this.#random = random;
    this.#lives = nodes.map(() => 0);
  }

  /** Asks the next node that lives. `undefined`: it was killed, or there was none. Status 0: it did not answer. */
  async ask(path: string, init: RequestInit = {}): Promise<Answer | undefined> {
    const at = this.#living();
    const node = at === undefined ? undefined : this.#nodes[at];
    if (at === undefined || node === undefined) {
      await delay(20);
      return undefined;
    }
    const life = this.#lives[at];
    const isSteady = (): boolean => this.#lives[at] === life;
    const began = performance.now();
    try {
      const response = await node.get(path, { signal: AbortSignal.timeout(PATIENCE_MS), ...init });
      const pieces: Uint8Array[] = [];
      let isWhole = true;
      try {
        for await (const piece of response.body ?? []) pieces.push(piece as Uint8Array);
      } catch {
        isWhole = false;
      }
      const ms = performance.now() - began;
      const { status, headers } = response;
      return { status, headers, body: Buffer.concat(pieces), isWhole, ms, isSteady: isSteady() };
    } catch {
      // It may take a moment to be seen that it is dead.
      await delay(100);
      const ms = performance.now() - began;
      const nothing = { headers: new Headers(), body: Buffer.alloc(0), isWhole: false };
      return isSteady() ? { status: 0, ...nothing, ms, isSteady: true } : undefined;
    }
  }

  /** Kills and starts nodes until `signal` aborts; then all of them live. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(4000 + this.#random.below(8000), undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const at = this.#random.below(this.#nodes.length);
      this.#lives[at] = (this.#lives[at] ?? 0) + 1;
      this.deaths += 1;
      await this.#nodes[at]?.stop(this.#random.next() < 0.8 ? 'SIGKILL' : 'SIGTERM');
      await this.#nodes[at]?.start();
      this.#lives[at] = (this.#lives[at] ?? 0) + 1;
    }
  }

  #living(): number | undefined {
    for (const _ of this.#nodes) {
      this.#turn = (this.#turn + 1) % this.#nodes.length;
      if ((this.#lives[this.#turn] ?? 0) % 2 === 0) return this.#turn;
    }
    return undefined;
  }
}
