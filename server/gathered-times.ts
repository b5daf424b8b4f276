import type { Catalog, Script } from './catalog/catalog.ts';
import { ifWritable } from './catalog/read-only.ts';
import type { Clock } from './clock.ts';

const EVERY_MS = 60_000;
const BATCH = 200;
const MOST = 10_000;
/** From here on it is written sooner. */
const MANY = 8_000;

export interface GatheredTimesParts {
  readonly catalog: Catalog;
  readonly clock: Clock;
  /** Writes some of the times; of those that another node has written the latest counts. */
  readonly write: (times: readonly (readonly [key: string, atMs: number])[]) => Script<void>;
  /** Told when a batch could not be written; the batch is kept for the next time. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Gathers when things were last used and writes it once a minute, so that reading never writes. At most ten thousand at a time are
 * remembered, of more those that came first; while the cellar is read-only none is written. A process that is killed loses a minute of
 * it at most.
 */
export class GatheredTimes {
  readonly #parts: GatheredTimesParts;
  readonly #stopping = new AbortController();
  #times = new Map<string, number>();
  #hurry = new AbortController();
  #mayHurry = true;
  #loop: Promise<void> | undefined;

  constructor(parts: GatheredTimesParts) {
    this.#parts = parts;
  }

  /** Notes a use; from memory alone. */
  note(key: string, atMs: number): void {
    if (this.#times.size < MOST || this.#times.has(key)) this.#times.set(key, atMs);
    if (this.#times.size >= MANY && this.#mayHurry) this.#hurry.abort();
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
    const { catalog, write } = this.#parts;
    const times = [...this.#times];
    this.#times = new Map();
    try {
      while (times.length > 0) {
        const batch = times.slice(0, BATCH);
        await catalog.write(() => write(batch));
        times.splice(0, BATCH);
      }
    } finally {
      for (const [key, at] of times) this.note(key, Math.max(at, this.#times.get(key) ?? 0));
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#hurry = new AbortController();
      try {
        await this.#parts.clock.sleep(EVERY_MS, AbortSignal.any([signal, this.#hurry.signal]));
      } catch (error) {
        if (signal.aborted) return;
        if (!this.#hurry.signal.aborted) throw error;
      }
      await this.#tryFlush();
    }
  }

  async #tryFlush(): Promise<void> {
    // Where nothing can be written, to try again at once would help nobody.
    this.#mayHurry = false;
    try {
      await ifWritable(this.flush());
      this.#mayHurry = this.#times.size < MANY;
    } catch (error) {
      this.#parts.onFailure(error);
    }
  }
}
