import { LRUCache } from 'lru-cache';
import { listProjectNames, type ProjectState } from '../catalog/project-state.ts';
import { findHoldings } from '../catalog/stored-files.ts';
import type { ProjectDetail } from '../model/distribution-file.ts';
import { isObject, readJson } from '../model/json.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import { SingleFlight } from '../upstream/single-flight.ts';
import { eachName } from './each-name.ts';
import { type IndexedPage, KnownPages } from './known-pages.ts';
import { cannotBeKept, PassingPages } from './passing-pages.ts';
import { ProxiedFiles } from './proxied-files.ts';
import type { PullParts } from './pull-file.ts';
import { type PageTimes, refreshPage } from './refresh-page.ts';
import type { RefreshTurns } from './refresh-turns.ts';
import {
  FROM_MEMORY,
  type Look,
  type Origin,
  type Outage,
  type PageState,
  type Repository,
  type Revision,
  type ServedFile,
  type View,
} from './repository.ts';
import { isInTime, refuseQuarantined, viewPage } from './view-page.ts';

export interface ProxiedParts extends PullParts, PageTimes {
  /** A page that lists more files is no page to us. */
  readonly maxFiles: number;
  /** How long a client waits for a refresh while a kept page is at hand, milliseconds. */
  readonly patienceMs: number;
  /** How long a page may take, milliseconds. */
  readonly timeoutMs: number;
  /** Where several nodes could ask for a page: who does. */
  readonly turns?: RefreshTurns;
}

// A page that could not be refreshed is not tried again at once by each request.
const RETRY_AFTER_MS = 5_000;
// Nodes' clocks may differ from the database's by 30 seconds, to either side.
const CLOCKS_DIFFER_MS = 60_000;
// A file that the kept page does not list may have been uploaded since: the page is asked again, but not in a storm.
const RECHECK_AFTER_MS = 10_000;

/** A refresh that came to nothing. */
interface Failure {
  /** Milliseconds since 1970. */
  readonly retryAt: number;
  /** Of the kept page, which is served until then. */
  readonly origin: Origin;
}

/** An upstream's projects: the fresh page or the stale one, files pulled through and kept. */
export class Proxied implements Repository {
  readonly name: string;
  readonly #parts: ProxiedParts;
  readonly #pages: KnownPages;
  readonly #passing: PassingPages;
  readonly #files: ProxiedFiles;
  readonly #refreshes = new SingleFlight<ProjectName, void>();
  readonly #background = new Set<Promise<void>>();
  readonly #lastListing = { at: 0 };
  readonly #failures = new LRUCache<ProjectName, Failure>({ max: 10_000 });

  constructor(parts: ProxiedParts) {
    this.name = parts.upstream.name;
    this.#parts = parts;
    this.#pages = new KnownPages(parts.catalog, this.name);
    this.#passing = new PassingPages(parts.clock);
    this.#files = new ProxiedFiles(parts, {
      state: (name, look) => this.#current(name, look),
      refreshed: (name, known) => this.#recheck(name, known),
      page: (known) => this.#page(known),
    });
  }

  projects(view: View): AsyncIterable<ProjectName> {
    return eachName((after, limit) =>
      this.#parts.catalog.read(() => listProjectNames(this.name, { after, limit, storedOnly: view.offline })),
    );
  }

  stateNow(name: ProjectName, view: Look): PageState | 'absent' | undefined {
    const known = view.offline ? undefined : (view.seen ?? this.#parts.hot).projectStateNow?.(this.name, name);
    const origin = known === undefined || known === 'absent' ? undefined : this.#atOnce(known);
    if (known === undefined || known === 'absent' || origin === undefined) return undefined;
    return known.present ? this.#pageState(known, view, origin) : 'absent';
  }

  async state(name: ProjectName, view: Look): Promise<PageState | undefined> {
    if (view.offline) return this.#offlineState(name, view);
    const { known, origin } = await this.#current(name, view);
    if (known === undefined || !known.present) return undefined;
    return this.#pageState(known, view, origin);
  }

  async project(name: ProjectName, view: View, state?: PageState): Promise<ProjectDetail | undefined> {
    const { catalog } = this.#parts;
    const known = await this.#parts.hot.projectState(this.name, name);
    const isKnown = known?.present === true;
    const indexed = isKnown ? await this.#pages.get(known) : this.#passing.page(name);
    if (indexed === undefined) return undefined;
    const outage = state === undefined ? this.#outage() : state.outage;
    const holdings = await catalog.read(() => findHoldings(this.name, name));
    return viewPage(indexed.page, {
      status: isKnown ? known.status : indexed.page.status,
      holdings,
      view,
      outage,
    });
  }

  file(name: ProjectName, filename: string, view: Look): Promise<ServedFile | undefined> {
    return this.#files.find(name, filename, view);
  }

  async provenance(
    name: ProjectName,
    filename: string,
    view: View,
  ): Promise<{ contentType: string; body: Buffer } | undefined> {
    if (view.offline) throw new Problem('file-not-found', 'Provenance is not stored here; upstream holds it.');
    const { known } = await this.#current(name, view);
    if (known === undefined || !known.present) return undefined;
    refuseQuarantined(known.status);
    const file = (await this.#page(known))?.files.get(filename);
    const address = file !== undefined && isInTime(file, view) ? file.provenance : undefined;
    if (address === undefined) throw new Problem('file-not-found', `The upstream holds no provenance of ${filename}.`);
    const document = await this.#parts.upstream.document(new URL(address), {
      accept: 'application/vnd.pypi.integrity.v1+json, application/json;q=0.5',
      maxBytes: 16 * 1024 * 1024,
    });
    // A sign-in page is none.
    if (isObject(readJson(document.body))) return document;
    throw new Problem('upstream-unavailable', 'The upstream did not answer with a provenance object.', {
      retryAfter: 30,
    });
  }

  /** Does upstream answer, as far as is known, and at once? */
  get isWell(): boolean {
    return this.#parts.upstream.health().state === 'closed';
  }

  /** Asks upstream now, whatever is kept. Throws `upstream-unavailable`, `upstream-timeout`. */
  async refresh(name: ProjectName): Promise<void> {
    const known = await this.#parts.hot.projectState(this.name, name);
    await this.#refresh(name, known);
  }

  /** Waits for refreshes that nobody waits for. */
  async stop(): Promise<void> {
    await Promise.all(this.#background);
  }

  /** What is known of the project, brought up to date when that is due and possible. */
  async #current(name: ProjectName, look: Look): Promise<{ known: ProjectState | undefined; origin: Origin }> {
    const known = await (look.seen ?? this.#parts.hot).projectState(this.name, name);
    const atOnce = known === undefined ? undefined : this.#atOnce(known);
    if (atOnce !== undefined) return { known, origin: atOnce };
    if (known?.present === true) return this.#revalidated(name, known, look);
    const passing = this.#passing.fresh(name);
    if (passing !== undefined) return { known: passing, origin: { outcome: 'hit', detail: 'not-kept' } };
    if (known !== undefined && look.search?.othersFollow === true) return this.#revalidated(name, known, look);
    try {
      await this.#refresh(name, known);
    } catch (error) {
      const passed = cannotBeKept(error) ? this.#passing.fresh(name) : undefined;
      if (passed !== undefined) return { known: passed, origin: { outcome: 'miss', detail: 'not-kept' } };
      // It was last known not to have the name, and that is its say until it answers again.
      if (known !== undefined && error instanceof Problem)
        return { known, origin: { outcome: 'stale', detail: 'upstream-down' } };
      throw error;
    }
    return {
      known: await this.#parts.hot.projectState(this.name, name),
      origin: { outcome: 'miss' },
    };
  }

  /** How an answer from what is known comes about, where upstream is not to be asked first. */
  #atOnce(known: ProjectState): Origin | undefined {
    // What upstream says cannot be kept now, nor what comes of it be told to other nodes.
    if (known.isRemembered) return FROM_MEMORY;
    const isDown = this.#parts.upstream.downSince !== undefined;
    const { clock, freshForMs } = this.#parts;
    const freshMs = known.freshUntil - clock.nowMs();
    // Longer than any page may be: it was asked for while a clock was ahead, which must not keep it for as long.
    if (freshMs > 0 && freshMs <= freshForMs + CLOCKS_DIFFER_MS) return { outcome: 'hit', ...detailOf(known, isDown) };
    return isDown ? { outcome: 'stale', detail: 'upstream-down' } : undefined;
  }

  /** What was known stands where upstream does not answer promptly. */
  async #revalidated(
    name: ProjectName,
    known: ProjectState,
    { search }: Look,
  ): Promise<{ known: ProjectState; origin: Origin }> {
    const { upstream, clock, hot } = this.#parts;
    const condition = upstream.health().state;
    if (condition === 'open') return { known, origin: { outcome: 'stale', detail: 'upstream-down' } };
    const failure = this.#failures.get(name);
    if (failure !== undefined && clock.nowMs() < failure.retryAt) return { known, origin: failure.origin };
    const refreshing = this.#refreshInBackground(name, known);
    if (condition === 'slow') return { known, origin: { outcome: 'stale', detail: 'upstream-slow' } };
    const began = clock.nowMs();
    const patience = new AbortController();
    const outcome = await Promise.race([
      refreshing,
      clock.sleep(Math.max(0, this.#parts.patienceMs - (search?.waited.ms ?? 0)), patience.signal).then(
        () => 'slow' as const,
        () => 'slow' as const,
      ),
    ]);
    patience.abort();
    if (search !== undefined) search.waited.ms += clock.nowMs() - began;
    if (outcome === 'slow') {
      upstream.reportSlow();
      return { known, origin: { outcome: 'stale', detail: 'upstream-slow' } };
    }
    const passed = known.present ? undefined : this.#passing.fresh(name);
    if (passed !== undefined) return { known: passed, origin: { outcome: 'miss', detail: 'not-kept' } };
    if (outcome !== 'done') return { known, origin: outcome.origin };
    const now = await hot.projectState(this.name, name);
    if (now === undefined) return { known, origin: { outcome: 'stale' } };
    // What upstream says is not believed yet: the page is the one that was kept.
    if (now.suspectSince !== undefined) return { known: now, origin: { outcome: 'stale', detail: 'suspect' } };
    return { known: now, origin: { outcome: now.revision === known.revision ? 'revalidated' : 'miss' } };
  }

  /** Never rejects: a failure is said in the log, by the breaker and in `Cache-Status`. */
  #refreshInBackground(name: ProjectName, known: ProjectState): Promise<'done' | Failure> {
    const { log, clock } = this.#parts;
    const refreshing = this.#refresh(name, known).then(
      () => 'done' as const,
      (error: unknown) => {
        // In read-only mode it is not upstream that has failed.
        const detail = cannotBeKept(error) ? 'not-kept' : 'upstream-failed';
        const failure: Failure = { retryAt: clock.nowMs() + RETRY_AFTER_MS, origin: { outcome: 'stale', detail } };
        this.#failures.set(name, failure);
        log.warn(
          { upstream: this.name, project: name, err: error },
          'a page could not be refreshed; the kept one is served',
        );
        return failure;
      },
    );
    const owned = refreshing.then(() => {
      this.#background.delete(owned);
    });
    this.#background.add(owned);
    return refreshing;
  }

  #refresh(name: ProjectName, known: ProjectState | undefined): Promise<void> {
    return this.#refreshes.run(name, () => {
      const { turns, upstream, timeoutMs } = this.#parts;
      const parts = { ...this.#parts, pages: this.#pages, passing: this.#passing, lastListing: this.#lastListing };
      // While it is known to be down nobody is asked.
      if (turns === undefined || upstream.downSince !== undefined) return refreshPage(parts, name, known);
      const request = { repository: this.name, name, checkedAt: known?.checkedAt, timeoutMs };
      return turns
        .take(request, (turn) => refreshPage(parts, name, known, turn))
        .catch(async (error: unknown) => {
          // A turn is a write too. Who asks for what is not known is answered all the same.
          if (!cannotBeKept(error) || known?.present === true || this.#passing.fresh(name) !== undefined) throw error;
          await refreshPage(parts, name, known);
        });
    });
  }

  /** The page asked again because it lacks something, unless that was done a moment ago. */
  async #recheck(name: ProjectName, known: ProjectState): Promise<ProjectState | undefined> {
    const { clock, hot } = this.#parts;
    if (isPassing(known) || clock.nowMs() - known.checkedAt < RECHECK_AFTER_MS) return known;
    await this.#refresh(name, known);
    return hot.projectState(this.name, name);
  }

  async #page(known: ProjectState): Promise<IndexedPage | undefined> {
    return isPassing(known) ? this.#passing.page(known.name) : await this.#pages.get(known);
  }

  async #offlineState(name: ProjectName, view: Look): Promise<PageState | undefined> {
    const known = await (view.seen ?? this.#parts.hot).projectState(this.name, name);
    if (known === undefined || !known.present) return undefined;
    if (known.storedRevision === 0) throw new Problem('project-not-found', `Nothing of ${name} is stored here.`);
    return this.#pageState(known, view, known.isRemembered ? FROM_MEMORY : { outcome: 'hit', detail: 'offline' });
  }

  #pageState(known: ProjectState, view: View, origin: Origin): PageState {
    const outage = view.offline ? undefined : this.#outage();
    let revision = `${this.name}.${known.revision}`;
    if (view.offline) revision += `.offline.${known.storedRevision}`;
    else if (outage !== undefined) revision += `.down.${outage.since}.${known.storedRevision}`;
    if (view.at !== undefined) revision += `.at.${view.at}`;
    const state = { revision: revision as Revision, origin, repository: this.name, maxAge: 0 };
    return outage === undefined ? state : { ...state, outage };
  }

  #outage(): Outage | undefined {
    const since = this.#parts.upstream.downSince;
    return since === undefined ? undefined : { repository: this.name, since };
  }
}

function isPassing(known: ProjectState): boolean {
  return known.revision < 0;
}

function detailOf(known: ProjectState, isDown: boolean): { detail: string } | undefined {
  if (isDown) return { detail: 'upstream-down' };
  return known.suspectSince === undefined ? undefined : { detail: 'suspect' };
}
