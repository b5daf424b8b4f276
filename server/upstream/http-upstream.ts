import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import { AddressGuard, type Guard } from './address-guard.ts';
import { Connections } from './connections.ts';
import { authorizationOf, type Credentials, withoutCredentials } from './credentials.ts';
import { NO_ANSWER } from './deadline.ts';
import { DocumentSource } from './document-source.ts';
import { problemOf, UpstreamError, upstreamErrorOf } from './errors.ts';
import { FileSource } from './file-source.ts';
import { healthOf } from './health.ts';
import { IndexAddress } from './index-address.ts';
import { Places } from './places.ts';
import type { ProxySettings } from './proxy.ts';
import type { Resolve } from './resolve.ts';
import type { SavedHealth } from './saved-health.ts';
import { StateKeeper } from './state-keeper.ts';
import type {
  Document,
  DocumentOptions,
  Download,
  DownloadTarget,
  Upstream,
  UpstreamHealth,
  UpstreamPage,
} from './upstream.ts';
import { Web } from './web.ts';

export interface HttpUpstreamOptions {
  /** The repository's name in the config. */
  readonly name: string;
  /** The index, as in pip's `--index-url`. User and password in it become HTTP Basic. */
  readonly url: URL;
  /** Instead of those in `url`. */
  readonly credentials?: Credentials;
  /** Further addresses of the same index, each perhaps with its own user and password. */
  readonly fallbacks?: readonly URL[];
  /** For a whole page, retries included; for the head of a file. Default 10 s. */
  readonly timeoutMs?: number;
  /** Default 5 s. */
  readonly connectTimeoutMs?: number;
  /** For a pause in a body. Default 30 s. */
  readonly idleTimeoutMs?: number;
  /** Default 64 MiB, decompressed. */
  readonly pageMaxBytes?: number;
  /** Asked for at once. Default 10. */
  readonly maxPages?: number;
  /** Under way at once. Default 16. */
  readonly maxFiles?: number;
  /** To one origin at once. Default 32. */
  readonly maxConnections?: number;
  /** Default 2. */
  readonly retries?: number;
  /** See `Evidence`. Default 3. */
  readonly failuresToOpen?: number;
  /** The longest pause between probes. Default 30 s. */
  readonly probeEveryMs?: number;
  /** Name, version and a contact, as public indexes ask for. */
  readonly userAgent: string;
  readonly proxies?: ProxySettings;
  /** Certificate authorities to trust besides the system's, PEM. */
  readonly ca?: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** How things stood when the last process ended. */
  readonly loadState?: () => Promise<SavedHealth | undefined>;
  /** Keeps how things stand; called after each change of state, one call at a time. */
  readonly saveState?: (state: SavedHealth) => Promise<void>;
  /**
   * How often to look at what is kept, milliseconds, when other processes keep the condition of the same index there: what they
   * find counts here too. Absent: nobody else does.
   */
  readonly followEveryMs?: number;
  /** 0 to 1; for tests. */
  readonly random?: () => number;
  /** Instead of the system's resolver, for links that lead to other origins; for tests. */
  readonly resolve?: Resolve;
  /** Where requests may go; instead of one that trusts the origins of `url` and `fallbacks`. */
  readonly guard?: Guard;
}

const WAITING = 10_000;

/** An index over HTTP, with its fallbacks. */
export class HttpUpstream implements Upstream {
  readonly name: string;
  readonly #options: HttpUpstreamOptions;
  readonly #timeoutMs: number;
  readonly #addresses: readonly IndexAddress[];
  readonly #connections: Connections;
  readonly #web: Web;
  readonly #files: FileSource;
  readonly #documents: DocumentSource;
  readonly #keeper: StateKeeper;
  readonly #stopping = new AbortController();

  private constructor(options: HttpUpstreamOptions, saved: SavedHealth | undefined) {
    const { clock, log, url, fallbacks = [], timeoutMs = 10_000, retries = 2, random = Math.random } = options;
    this.name = options.name;
    this.#options = options;
    this.#timeoutMs = timeoutMs;
    const all = [url, ...fallbacks];
    const guard = options.guard ?? new AddressGuard(all, options.resolve);
    this.#connections = new Connections({
      clock,
      guard,
      connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
      maxConnections: options.maxConnections ?? 32,
      proxies: options.proxies ?? {},
      ...(options.ca === undefined ? {} : { ca: options.ca }),
    });
    const credentials = authorizationOf(all, options.credentials);
    this.#web = new Web({ connections: this.#connections, guard, userAgent: options.userAgent, credentials });
    const common = { web: this.#web, clock, timeoutMs, retries, random };
    const places = new Places(options.maxPages ?? 10, WAITING);
    this.#addresses = all.map(
      (address) =>
        new IndexAddress(withoutCredentials(address), {
          ...common,
          places,
          saved,
          pageMaxBytes: options.pageMaxBytes ?? 64 * 1024 * 1024,
          failuresToOpen: options.failuresToOpen ?? 3,
          probeEveryMs: options.probeEveryMs ?? 30_000,
          onChange: () => this.#keeper.changed(this.health()),
          stopping: this.#stopping.signal,
        }),
    );
    this.#files = new FileSource(this.#addresses, {
      ...common,
      idleTimeoutMs: options.idleTimeoutMs ?? 30_000,
      places: new Places(options.maxFiles ?? 16, WAITING),
    });
    this.#documents = new DocumentSource(this.#addresses, common);
    const { followEveryMs: everyMs, loadState: load } = options;
    const learn = (state: SavedHealth): void => {
      for (const address of this.#addresses) address.learn(state);
    };
    this.#keeper = new StateKeeper({
      name: this.name,
      log,
      save: options.saveState,
      first: this.health(),
      shared: everyMs === undefined || load === undefined ? undefined : { clock, everyMs, load, learn },
    });
  }

  /** An upstream in the condition that was saved last. `start` and `stop` are the caller's. */
  static async open(options: HttpUpstreamOptions): Promise<HttpUpstream> {
    return new HttpUpstream(options, await options.loadState?.());
  }

  async page(
    name: ProjectName,
    options: { readonly etag?: string; readonly withinMs?: number } = {},
  ): Promise<UpstreamPage | 'not-modified' | 'absent'> {
    const { clock } = this.#options;
    const until = clock.nowMs() + Math.min(this.#timeoutMs, options.withinMs ?? this.#timeoutMs);
    const usable = this.#usable();
    let failure: UpstreamError | undefined;
    for (const [index, address] of usable.entries()) {
      // What is left is shared out, so that a fallback has its turn when the first address hangs.
      const ms = (until - clock.nowMs()) / (usable.length - index);
      try {
        const answer = await address.page(name, { ms, etag: this.#etagFor(address, options.etag) });
        if (address === this.#addresses[0]) return answer;
        if (answer !== 'absent') return this.#ofFallback(address, answer);
        failure ??= new UpstreamError('unreachable', this.#addresses[0]?.lastError ?? 'it is down');
      } catch (error) {
        failure ??= upstreamErrorOf(error);
      }
    }
    throw this.#problem(failure);
  }

  async download(
    target: DownloadTarget,
    options: { readonly signal: AbortSignal; readonly offset?: number; readonly validator?: string },
  ): Promise<Download> {
    try {
      if (this.downSince !== undefined) throw this.#problem(undefined);
      const download = await this.#files.download(target, options);
      if (download !== 'absent') return download;
    } catch (error) {
      throw this.#failure(error, options.signal);
    }
    throw new Problem('file-not-found', `The upstream index "${this.name}" has no ${target.filename}.`);
  }

  distrust(target: DownloadTarget): void {
    this.#files.distrust(target);
  }

  async document(url: URL, options: DocumentOptions): Promise<Document> {
    if (this.downSince !== undefined) throw this.#problem(undefined);
    try {
      const answer = await this.#documents.get(url, options);
      if (answer !== 'absent') return answer;
    } catch (error) {
      throw this.#failure(error);
    }
    throw new Problem('file-not-found', `The upstream index "${this.name}" does not have that document.`);
  }

  get downSince(): number | undefined {
    let since = 0;
    for (const { breaker } of this.#addresses) {
      if (breaker.state !== 'open') return undefined;
      since = Math.max(since, breaker.since);
    }
    return since;
  }

  health(): UpstreamHealth {
    return healthOf(this.#addresses);
  }

  reportSlow(): void {
    // The answer may have come between the caller's patience and this call.
    for (const { breaker, isBusy } of this.#addresses) if (isBusy) breaker.reportSlow();
  }

  start(): void {
    for (const address of this.#addresses) address.breaker.start();
    this.#keeper.start();
  }

  /** Cuts what is under way, waits for probes and for the state to be kept. */
  async stop(): Promise<void> {
    this.#stopping.abort(new UpstreamError('here', 'we are stopping'));
    await Promise.all(this.#addresses.map((address) => address.stop()));
    await this.#connections.close();
    await this.#keeper.stop(this.health());
  }

  /** Addresses that may be asked, those that answer promptly first. */
  #usable(): readonly IndexAddress[] {
    const prompt = this.#addresses.filter(({ breaker }) => breaker.state === 'closed');
    return [...prompt, ...this.#addresses.filter(({ breaker }) => breaker.state === 'slow')];
  }

  #failure(error: unknown, signal?: AbortSignal): unknown {
    if (signal?.aborted || error instanceof Problem) return error;
    return this.#problem(upstreamErrorOf(error));
  }

  /** `undefined`: nothing was asked, since the breaker is open. */
  #problem(failure: UpstreamError | undefined): Problem {
    const { retryAfter, lastError = 'it is down' } = this.health();
    // As it was answered before it counted as down: 504 for one that hangs, 502 for others.
    const known = new UpstreamError(lastError === NO_ANSWER ? 'timeout' : 'unreachable', lastError);
    return problemOf(failure ?? known, this.name, retryAfter);
  }

  /** Validators of a fallback mean nothing to another address: they carry where they came from. */
  #ofFallback(address: IndexAddress, answer: UpstreamPage | 'not-modified'): UpstreamPage | 'not-modified' {
    if (answer === 'not-modified') return answer;
    const etag = answer.etag === undefined ? {} : { etag: `${this.#markOf(address)}${answer.etag}` };
    return { ...answer, ...etag, isFallback: true };
  }

  #etagFor(address: IndexAddress, etag: string | undefined): string | undefined {
    const mark = this.#markOf(address);
    if (mark !== '') return etag?.startsWith(mark) ? etag.slice(mark.length) : undefined;
    return etag?.startsWith(FALLBACK_MARK) ? undefined : etag;
  }

  #markOf(address: IndexAddress): string {
    if (address === this.#addresses[0]) return '';
    return `${FALLBACK_MARK}${createHash('sha256').update(address.url.href).digest('hex').slice(0, 8)} `;
  }
}

const FALLBACK_MARK = 'fallback ';
