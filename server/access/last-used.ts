import type { Catalog } from '../catalog/catalog.ts';
import { markTokensUsed } from '../catalog/tokens.ts';
import type { Clock } from '../clock.ts';

const EVERY_MS = 60_000;
const BATCH = 200;
const MOST_TOKENS = 10_000;

/**
 * Gathers when tokens were last used and writes it once a minute, so that reading never writes. A process that is killed loses
 * a minute of it at most.
 */
export class LastUsed {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #onFailure: (error: unknown) => void;
  readonly #stopping = new AbortController();
  #uses = new Map<string, number>();
  #loop: Promise<void> | undefined;

  /** `onFailure` is told when a batch could not be written; the batch is kept for the next time. */
  constructor(parts: { catalog: Catalog; clock: Clock; onFailure: (error: unknown) => void }) {
    this.#catalog = parts.catalog;
    this.#clock = parts.clock;
    this.#onFailure = parts.onFailure;
  }

  /** Notes a use; from memory alone. */
  note(tokenId: string, nowMs: number): void {
    if (this.#uses.size < MOST_TOKENS || this.#uses.has(tokenId)) this.#uses.set(tokenId, nowMs);
  }

  /** Begins to write once a minute, until `stop`. */
  start(): void {
    this.#loop ??= this.#run();
  }

  /** Ends the writing, after one last time. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await this.#tryFlush();
  }

  /** Writes what has been gathered. Throws what the catalog throws; then nothing is forgotten. */
  async flush(): Promise<void> {
    const uses = [...this.#uses];
    this.#uses = new Map();
    try {
      while (uses.length > 0) {
        const batch = uses.slice(0, BATCH);
        await this.#catalog.write(() => markTokensUsed(batch));
        uses.splice(0, BATCH);
      }
    } finally {
      for (const [id, at] of uses) this.note(id, Math.max(at, this.#uses.get(id) ?? 0));
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#clock.sleep(EVERY_MS, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
        return;
      }
      await this.#tryFlush();
    }
  }

  async #tryFlush(): Promise<void> {
    try {
      await this.flush();
    } catch (error) {
      this.#onFailure(error);
    }
  }
}
