import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { ProjectName } from '../model/project-name.ts';
import type { Catalog } from './catalog.ts';
import { CatalogUnavailableError } from './errors.ts';
import type { HotReads } from './hot-reads.ts';
import type { Found, Sight, Wanted } from './look.ts';
import { Looks } from './looks.ts';
import type { ProjectState } from './project-state.ts';
import { Seen } from './seen.ts';
import type { StoredFile, StoredMetadata } from './stored-files.ts';
import { tokenGeneration } from './tokens.ts';

const LOOK_EVERY_MS = 1_000;
/** How long the catalog may be silent before it counts as away. */
const PATIENCE_MS = 3_000;
/** Of projects, and of files. */
const REMEMBERED = 15_000;

const NOTHING: Holding = { files: new Map(), metadata: new Map() };

type Holding = Pick<Found, 'files' | 'metadata'>;

/**
 * The hot reads of a catalog that nodes share, as looks that carry the questions of many. Remembers what was answered last, a bounded
 * number of projects and files, and answers with that while the catalog is away: it refuses, or has been silent for three seconds. Looked at once a second, so an outage is noticed although nobody asks, and so
 * is its end. Of tokens the generation is remembered: what was revoked before the last look stays revoked.
 */
export class LastKnown implements HotReads {
  readonly #catalog: Catalog;
  readonly #looks: Looks;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #projects = new LRUCache<ProjectName, Found['states']>({ max: REMEMBERED });
  readonly #files = new LRUCache<string, Holding>({ max: REMEMBERED });
  #generation: number | undefined;
  readonly #stopping = new AbortController();
  #isAway = false;
  /** Of the look under way: resolves once it has told what there is to tell, although the catalog may still be silent. */
  #concluding: Promise<void> | undefined;
  #following: Promise<void> | undefined;

  constructor(parts: { readonly catalog: Catalog; readonly clock: Clock; readonly log: Logger }) {
    this.#catalog = parts.catalog;
    this.#looks = new Looks(parts.catalog, (wanted, sight) => this.#remember(wanted, sight));
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

  see(name: ProjectName, filename?: string): Promise<Seen> {
    const wanted = { name, filename };
    return this.#lastKnown({
      ask: async () => new Seen(wanted, await this.#looks.look(wanted), { isRemembered: false }),
      remember: () => this.#remembered(wanted),
    });
  }

  async projectState(repository: string, name: ProjectName): Promise<ProjectState | undefined> {
    return (await this.see(name)).projectState(repository, name);
  }

  async storedFile(repository: string, name: ProjectName, filename: string): Promise<StoredFile | undefined> {
    return (await this.see(name, filename)).storedFile(repository, name, filename);
  }

  async storedMetadata(repository: string, name: ProjectName, filename: string): Promise<StoredMetadata | undefined> {
    return (await this.see(name, filename)).storedMetadata(repository, name, filename);
  }

  tokenGeneration(): Promise<number> {
    return this.#lastKnown({ ask: () => this.#looks.generation(), remember: () => this.#generation });
  }

  certain(): void {
    if (this.#isAway) throw away();
  }

  /** Throws `CatalogUnavailableError` when the catalog is away and nothing is remembered. */
  async #lastKnown<T>(read: { readonly ask: () => Promise<T>; readonly remember: () => T | undefined }): Promise<T> {
    if (!this.#isAway) {
      try {
        return await read.ask();
      } catch (error) {
        if (!(error instanceof CatalogUnavailableError)) throw error;
        if (!this.#isAway) await this.#look();
        if (!this.#isAway) throw error;
      }
    }
    const remembered = read.remember();
    if (remembered === undefined) throw away();
    return remembered;
  }

  /** It only grows, and an answer may be long on its way: what was revoked stays revoked. */
  #learn(generation: number): void {
    this.#generation = Math.max(this.#generation ?? 0, generation);
  }

  #remember(wanted: readonly Wanted[], { generation, found }: Sight): void {
    this.#learn(generation);
    for (const [place, { name, filename }] of wanted.entries()) {
      const one = found[place];
      if (one === undefined) continue;
      this.#projects.set(name, one.states);
      const { files, metadata } = one;
      if (filename !== undefined) this.#files.set(`${name}/${filename}`, { files, metadata });
    }
  }

  #remembered(wanted: Wanted): Seen | undefined {
    const { name, filename } = wanted;
    const generation = this.#generation;
    const states = this.#projects.get(name);
    const holding = filename === undefined ? NOTHING : this.#files.get(`${name}/${filename}`);
    if (generation === undefined || states === undefined || holding === undefined) return undefined;
    return new Seen(wanted, { generation, found: { ...holding, states } }, { isRemembered: true });
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
      this.#learn(await this.#catalog.read(tokenGeneration));
      this.#looks.passBy();
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
    this.#looks.giveUp(away());
  }
}

function away(): CatalogUnavailableError {
  return new CatalogUnavailableError('The database does not answer at the moment');
}
