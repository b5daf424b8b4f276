import { randomUUID } from 'node:crypto';
import type { Catalog, Script } from '../catalog/catalog.ts';
import { claimRefresh, type PageKey, refreshState, releaseRefresh, sweepRefreshes } from '../catalog/page-refreshes.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { Problem } from '../problem.ts';

/** The turn of a node that may ask for a page. */
export interface Turn {
  /** How long the asking may take, milliseconds. */
  readonly withinMs: number;
  /** Ends the turn: part of the script that keeps the answer. */
  readonly finish: () => Script<void>;
}

export interface TurnRequest extends PageKey {
  /** When the answer was kept that is known here; `undefined` when there is none. */
  readonly checkedAt: number | undefined;
  /** How long asking and waiting may take together, milliseconds. */
  readonly timeoutMs: number;
}

// Beyond its time a node may still be keeping what it has got.
const MARGIN_MS = 5_000;
const FIRST_LOOK_MS = 25;
const LONGEST_LOOK_MS = 400;

/**
 * Lets one node of many ask for a page while the others wait for its answer. A node whose turn ends without an answer, or that dies,
 * leaves it to the next. Only for catalogs that nodes share: alone, `SingleFlight` does it.
 */
export class RefreshTurns {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #stopping = new AbortController();

  constructor(parts: { readonly catalog: Catalog; readonly clock: Clock; readonly log: Logger }) {
    this.#catalog = parts.catalog;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /** Ends the waiting for other nodes. */
  stop(): void {
    this.#stopping.abort(new Problem('stopping', 'The server is stopping.'));
  }

  /** Tidies up after nodes that died in a turn. */
  async sweep(): Promise<void> {
    await this.#catalog.write(() => sweepRefreshes(this.#clock.nowMs()));
  }

  /** Resolves once there is a new answer, here or from another node. Throws what `ask` throws, `upstream-timeout`, `stopping`. */
  async take(request: TurnRequest, ask: (turn: Turn) => Promise<void>): Promise<void> {
    const { checkedAt, timeoutMs } = request;
    const holder = randomUUID();
    const giveUpAt = this.#clock.nowMs() + timeoutMs;
    for (;;) {
      const now = this.#clock.nowMs();
      const withinMs = giveUpAt - now;
      if (withinMs <= 0) throw tooLate(request);
      const asker = { holder, now, until: now + withinMs + MARGIN_MS, checkedAt };
      const claimed = await this.#catalog.write(() => claimRefresh(request, asker));
      if (claimed === 'done') return;
      if (claimed === 'claimed') return await this.#ask(request, holder, () => ask(turn(request, holder, withinMs)));
      if ((await this.#wait(request, giveUpAt)) === 'done') return;
    }
  }

  async #ask(key: PageKey, holder: string, ask: () => Promise<void>): Promise<void> {
    try {
      await ask();
    } catch (error) {
      await this.#catalog
        .write(() => releaseRefresh(key, holder))
        .catch((left: unknown) => {
          this.#log.warn({ err: left, project: key.name }, 'the turn of a page ends only when its time is over');
        });
      throw error;
    }
  }

  async #wait(request: TurnRequest, giveUpAt: number): Promise<'done' | 'free'> {
    const { checkedAt } = request;
    for (let pauseMs = FIRST_LOOK_MS; ; pauseMs = Math.min(pauseMs * 1.5, LONGEST_LOOK_MS)) {
      await this.#pause(pauseMs);
      const now = this.#clock.nowMs();
      const state = await this.#catalog.read(() => refreshState(request, { now, checkedAt }));
      if (state !== 'under-way') return state;
      if (now >= giveUpAt) throw tooLate(request);
    }
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#stopping;
    try {
      await this.#clock.sleep(ms, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  }
}

function turn(key: PageKey, holder: string, withinMs: number): Turn {
  return { withinMs, finish: () => releaseRefresh(key, holder) };
}

function tooLate({ repository, name }: PageKey): Problem {
  const detail = `The upstream index "${repository}" has not answered another node about ${name} in time.`;
  return new Problem('upstream-timeout', detail, { retryAfter: 5 });
}
