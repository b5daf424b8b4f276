import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { ProjectName } from '../model/project-name.ts';
import type { Catalog, Script } from './catalog.ts';
import { CatalogUnavailableError } from './errors.ts';
import type { HotReads } from './hot-reads.ts';
import { findProjectState, type ProjectState } from './project-state.ts';
import { findStoredFile, findStoredMetadata, type StoredFile, type StoredMetadata } from './stored-files.ts';
import { tokenGeneration } from './tokens.ts';

const LOOK_EVERY_MS = 1_000;
/** How long the catalog may be silent before it counts as away. */
const PATIENCE_MS = 3_000;
const REMEMBERED = 30_000;

interface Answer {
  readonly value: unknown;
}

/**
 * Remembers what the catalog answered last to the hot reads, a bounded number of them, and answers with that while the catalog is away:
 * it refuses, or has been silent for three seconds. Looked at once a second, so an outage is noticed although nobody asks, and so
 * is its end. Of tokens the generation is remembered: what was revoked before the last look stays revoked.
 */
export class LastKnown implements HotReads {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #known = new LRUCache<string, Answer>({ max: REMEMBERED });
  /** Those who wait for an answer: told to take what is remembered when the catalog turns out to be away. */
  readonly #asking = new Set<() => void>();
  readonly #stopping = new AbortController();
  #isAway = false;
  /** Of the look under way: resolves once it has told what there is to tell, although the catalog may still be silent. */
  #concluding: Promise<void> | undefined;
  #following: Promise<void> | undefined;

  constructor(parts: { readonly catalog: Catalog; readonly clock: Clock; readonly log: Logger }) {
    this.#catalog = parts.catalog;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /** Is the catalog away, as far as is known? */
  get isAway(): boolean {
    return this.#isAway;
  }

  /** Begins to look after the catalog, until `stop`. */
  start(): void {
    this.#following ??= this.#follow();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#following;
    // A look that hangs is ended by the closing of the catalog.
  }

  projectState(repository: string, name: ProjectName): Promise<ProjectState | undefined> {
    return this.#read(`state\n${repository}\n${name}`, () => findProjectState(repository, name));
  }

  storedFile(repository: string, name: ProjectName, filename: string): Promise<StoredFile | undefined> {
    return this.#read(`file\n${repository}\n${name}\n${filename}`, () => findStoredFile(repository, name, filename));
  }

  storedMetadata(repository: string, name: ProjectName, filename: string): Promise<StoredMetadata | undefined> {
    const key = `metadata\n${repository}\n${name}\n${filename}`;
    return this.#read(key, () => findStoredMetadata(repository, name, filename));
  }

  tokenGeneration(): Promise<number> {
    return this.#read('generation', tokenGeneration);
  }

  certain(): void {
    if (this.#isAway) throw away();
  }

  async #read<T>(key: string, script: () => Script<T>): Promise<T> {
    if (this.#isAway) return this.#remembered<T>(key);
    try {
      return await this.#ask(key, script);
    } catch (error) {
      if (!(error instanceof CatalogUnavailableError)) throw error;
      if (!this.#isAway) await this.#look();
      if (!this.#isAway) throw error;
      return this.#remembered<T>(key);
    }
  }

  #ask<T>(key: string, script: () => Script<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const giveUp = (): void => reject(away());
      this.#asking.add(giveUp);
      this.#catalog
        .read(script)
        .then((value) => {
          this.#known.set(key, { value });
          resolve(value);
        }, reject)
        .finally(() => this.#asking.delete(giveUp));
    });
  }

  /** Throws `CatalogUnavailableError` when nothing is remembered. */
  #remembered<T>(key: string): T {
    const answer = this.#known.get(key);
    if (answer === undefined) throw away();
    const { value } = answer;
    return (typeof value === 'object' && value !== null ? { ...value, isRemembered: true } : value) as T;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#clock.sleep(LOOK_EVERY_MS, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
        return;
      }
      await this.#look();
    }
  }

  /** Finds out whether the catalog is there. Never rejects. */
  #look(): Promise<void> {
    if (this.#concluding === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#concluding = promise;
      void this.#lookNow(resolve).finally(() => {
        this.#concluding = undefined;
        resolve();
      });
    }
    return this.#concluding;
  }

  async #lookNow(conclude: () => void): Promise<void> {
    const patience = new AbortController();
    const tooLong = this.#clock.sleep(PATIENCE_MS, AbortSignal.any([patience.signal, this.#stopping.signal]));
    tooLong.then(
      async () => {
        // After a pause of this very process the answer may have come, and not been looked at yet.
        await new Promise(setImmediate);
        if (!patience.signal.aborted) this.#turn(new Error('it is silent'));
        conclude();
      },
      conclude, // it has answered, or we are stopping
    );
    try {
      const value = await this.#catalog.read(tokenGeneration);
      this.#known.set('generation', { value });
      this.#turn(undefined);
    } catch (error) {
      this.#turn(error);
    } finally {
      patience.abort();
    }
  }

  #turn(failure: unknown): void {
    if (this.#stopping.signal.aborted || this.#isAway === (failure !== undefined)) return;
    this.#isAway = failure !== undefined;
    if (!this.#isAway) {
      this.#log.info('the catalog answers again');
      return;
    }
    this.#log.error(
      { err: failure },
      'the catalog does not answer; pages and files are served as they were known last',
    );
    for (const giveUp of this.#asking) giveUp();
    this.#asking.clear();
  }
}

function away(): CatalogUnavailableError {
  return new CatalogUnavailableError('The database does not answer at the moment');
}
