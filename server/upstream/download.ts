import type { BlobStore } from '../../storage/blob-store.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { Problem } from '../problem.ts';
import { within } from './deadline.ts';
import { type FetchRequest, Fill } from './fill.ts';
import type { GrowingFile } from './growing-file.ts';
import { NoPlaceError, Places } from './places.ts';

export type { GrowingFile } from './growing-file.ts';

export interface DownloadsOptions {
  readonly blobs: Pick<BlobStore, 'spareBytes'>;
  readonly spoolDir: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Of one file; a larger one is refused. */
  readonly maxBytes: number;
  /** Files under way; others wait. Default 16. */
  readonly maxAtOnce?: number;
  /** Files waiting for a place; others are refused. Default 1,000. */
  readonly maxWaiting?: number;
  /** Called for each file that was passed on without being stored. */
  readonly onNotStored?: () => void;
}

const LONGEST_WAIT_MS = 30_000;

/**
 * Brings files from upstreams: one download per file however many ask for it, written once, followed by each reader at its own speed, stored
 * when it is whole and right. A reader that is slow or leaves changes nothing for the others.
 */
export class Downloads {
  readonly #options: DownloadsOptions;
  readonly #places: Places;
  readonly #fills = new Map<string, Fill>();
  readonly #running = new Set<Promise<void>>();
  readonly #stopping = new AbortController();

  constructor(options: DownloadsOptions) {
    this.#options = options;
    this.#places = new Places(options.maxAtOnce ?? 16, options.maxWaiting ?? 1_000);
  }

  /** Files under way. */
  get size(): number {
    return this.#fills.size;
  }

  /**
   * The file as it comes, once the upstream has begun to answer. Throws `file-not-found`, `upstream-unavailable`, `upstream-timeout`,
   * `upstream-mismatch`, `stopping`.
   */
  fetch(request: FetchRequest): Promise<GrowingFile> {
    if (this.#stopping.signal.aborted) return Promise.reject(new Problem('stopping', 'The server is stopping.'));
    const key = keyOf(request);
    const running = this.#fills.get(key);
    // One that has failed is only tidying up: whoever asks now asks anew.
    const fill = running === undefined || running.hasFailed ? this.#begin(key, request) : running;
    return fill.open();
  }

  /** Breaks off what is under way and waits until no spool is left of it. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Problem('stopping', 'The server is stopping.'));
    await Promise.all(this.#running);
  }

  #begin(key: string, request: FetchRequest): Fill {
    const { spoolDir, maxBytes, clock, log, onNotStored = () => {} } = this.#options;
    const fill: Fill = new Fill(request, {
      spoolDir,
      maxBytes,
      clock,
      log,
      onNotStored,
      signal: this.#stopping.signal,
      place: () => this.#place(),
      hasRoom: (size) => this.#hasRoom(fill, size),
    });
    this.#fills.set(key, fill);
    const running = fill.run().finally(() => {
      if (this.#fills.get(key) === fill) this.#fills.delete(key);
      this.#running.delete(running);
    });
    this.#running.add(running);
    return fill;
  }

  async #place(): Promise<() => void> {
    const { clock } = this.#options;
    const limit = { clock, ms: LONGEST_WAIT_MS, signal: this.#stopping.signal };
    try {
      return await within(limit, (signal) => this.#places.take(signal));
    } catch (error) {
      this.#stopping.signal.throwIfAborted();
      const reason = error instanceof NoPlaceError ? 'are waiting' : 'are under way';
      throw new Problem('upstream-unavailable', `Too many downloads ${reason}.`, { cause: error, retryAfter: 5 });
    }
  }

  async #hasRoom(fill: Fill, size: number | undefined): Promise<boolean> {
    const { blobs, log } = this.#options;
    try {
      const spare = await blobs.spareBytes();
      let reserved = 0;
      for (const other of this.#fills.values()) if (other !== fill) reserved += other.reserved;
      return spare - reserved > (size ?? 0);
    } catch (error) {
      log.warn({ err: error }, 'how much room the store has cannot be told');
      return false;
    }
  }
}

/** Two projects may list the same bytes: each has rows of its own to write. */
function keyOf({ upstream, target, expected }: FetchRequest): string {
  const what = expected?.sha256 ?? target.sha256 ?? target.url.href;
  return [upstream.name, target.project, target.filename, what].join(' ');
}
