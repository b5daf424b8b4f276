import type { Clock } from '../clock.ts';
import { type ProjectName, parseProjectName } from '../model/project-name.ts';
import { askPage } from './answers.ts';
import { Breaker } from './breaker.ts';
import { within } from './deadline.ts';
import { UpstreamError, upstreamErrorOf } from './errors.ts';
import type { Failure } from './evidence.ts';
import { NoPlaceError, type Places } from './places.ts';
import { retrying } from './retry.ts';
import type { SavedHealth } from './saved-health.ts';
import type { UpstreamPage } from './upstream.ts';
import type { Web } from './web.ts';

export interface IndexAddressParts {
  readonly web: Web;
  readonly clock: Clock;
  readonly places: Places;
  readonly pageMaxBytes: number;
  readonly retries: number;
  readonly timeoutMs: number;
  readonly failuresToOpen: number;
  readonly probeEveryMs: number;
  readonly random: () => number;
  readonly saved?: SavedHealth | undefined;
  readonly onChange: () => void;
  /** Aborts what is under way. */
  readonly stopping: AbortSignal;
}

// Projects to ask for while none is known to work: there or not, an index has an answer.
const UNASKED = [parseProjectName('pip'), parseProjectName('setuptools')] as const;
// Pages that fail for so long, while none comes, call for a look at others.
const DOUBT_AFTER_MS = 4_000;
const KEPT_NAMES = 3;
const KEPT_HOSTS = 16;

/** One address of an index, with its breaker and what it was seen to do. */
export class IndexAddress {
  /** Ends in a slash; without credentials. */
  readonly url: URL;
  readonly breaker: Breaker;
  lastSuccessAt: number | undefined;
  lastFailureAt: number | undefined;
  lastError: string | undefined;
  readonly #parts: IndexAddressParts;
  /** Most recent last: what probes ask for, beginning with what was last seen to work. */
  readonly #failing = new Set<ProjectName>();
  #working: ProjectName | undefined;
  readonly #fileHosts = new Set<string>();
  #failingFile: URL | undefined;
  #pending = 0;
  #probes = 0;
  /** Of the first page that failed since one came. */
  #doubtedSince: number | undefined;
  #doubt: Promise<void> | undefined;

  constructor(url: URL, parts: IndexAddressParts) {
    this.url = url;
    this.#parts = parts;
    this.lastSuccessAt = parts.saved?.lastSuccessAt;
    this.lastFailureAt = parts.saved?.lastFailureAt;
    this.lastError = parts.saved?.lastError;
    const { clock, failuresToOpen, probeEveryMs, random, saved, onChange } = parts;
    const probe = (signal: AbortSignal): Promise<void> => this.#probe(signal);
    this.breaker = new Breaker({ clock, failuresToOpen, probeEveryMs, random, saved, onChange, probe });
  }

  /** Are pages being waited for? */
  get isBusy(): boolean {
    return this.#pending > 0;
  }

  /** A page from here within `ms`, retries included. Throws `UpstreamError`, and tells the breaker. */
  async page(
    name: ProjectName,
    options: { readonly etag?: string | undefined; readonly ms: number },
  ): Promise<UpstreamPage | 'not-modified' | 'absent'> {
    const { clock, retries, random, stopping } = this.#parts;
    const until = clock.nowMs() + options.ms;
    let hadPlaceFor = 0;
    this.#pending += 1;
    try {
      const answer = await within({ clock, ms: options.ms, signal: stopping }, async (signal) => {
        const leave = await this.#place(signal);
        hadPlaceFor = until - clock.nowMs();
        try {
          return await retrying({ clock, signal, retries, until, random }, () => this.#ask(name, options.etag, signal));
        } finally {
          leave();
        }
      });
      this.#worked();
      this.#doubtedSince = undefined;
      this.#working = name;
      this.#failing.delete(name);
      this.breaker.pageSucceeded();
      return answer;
    } catch (error) {
      const failure = upstreamErrorOf(error);
      const kind = kindOf(failure, hadPlaceFor >= options.ms / 2);
      if (kind !== 'here') this.#remember(name);
      this.#failed({ of: 'page', kind, object: name }, failure);
      if (kind === 'answer' || kind === 'reset') this.#lookAtOthers(name);
      throw failure;
    } finally {
      this.#pending -= 1;
    }
  }

  /** The head of a file came. */
  fileSucceeded(url: URL): void {
    this.#worked();
    if (this.#fileHosts.size < KEPT_HOSTS) this.#fileHosts.add(url.host);
    if (this.#failingFile?.host === url.host) this.#failingFile = undefined;
    this.breaker.fileSucceeded();
  }

  /** A file could not be had. A host that never gave one, such as a dead one that an old page links to, says nothing of the index. */
  fileFailed(url: URL, failure: UpstreamError): void {
    if (url.host !== this.url.host && !this.#fileHosts.has(url.host)) return;
    if (failure.kind !== 'answer' && failure.kind !== 'here') this.#failingFile = url;
    this.#failed({ of: 'file', kind: failure.kind, object: url.href }, failure);
  }

  /** Is it in vain to ask for this? While the address is down, of what lies there, and at the file host that failed. */
  isInVain(url: URL): boolean {
    if (this.breaker.state !== 'open') return false;
    return url.origin === this.url.origin || url.host === this.#failingFile?.host;
  }

  /** What another node has found of the index that this is an address of. */
  learn(saved: SavedHealth): void {
    if (saved.state !== 'closed' && (saved.lastFailureAt ?? 0) > (this.lastFailureAt ?? 0)) {
      this.lastFailureAt = saved.lastFailureAt;
      this.lastError = saved.lastError;
    }
    this.breaker.learn(saved);
  }

  /** Waits for what is under way that nobody waits for. */
  async stop(): Promise<void> {
    await this.breaker.stop();
    await this.#doubt;
  }

  /** One page that goes on failing proves nothing; where it is all that is asked for, others are asked for, to see whether they come. */
  #lookAtOthers(failing: ProjectName): void {
    const { clock } = this.#parts;
    this.#doubtedSince ??= clock.nowMs();
    if (this.#doubt !== undefined || this.breaker.state !== 'closed') return;
    if (clock.nowMs() - this.#doubtedSince < DOUBT_AFTER_MS) return;
    this.#doubtedSince = clock.nowMs();
    const names = [...(this.#working === undefined ? [] : [this.#working]), ...UNASKED];
    this.#doubt = this.#askOthers(names.filter((name) => name !== failing).slice(0, 2)).finally(() => {
      this.#doubt = undefined;
    });
  }

  async #askOthers(names: readonly ProjectName[]): Promise<void> {
    const { clock, timeoutMs, stopping } = this.#parts;
    for (const name of names) {
      try {
        await within({ clock, ms: timeoutMs, signal: stopping }, (signal) => this.#ask(name, undefined, signal));
        this.#worked();
        this.#doubtedSince = undefined;
        this.breaker.pageSucceeded();
        return;
      } catch (error) {
        const failure = upstreamErrorOf(error);
        this.#failed({ of: 'page', kind: kindOf(failure, true), object: name }, failure);
      }
    }
  }

  #ask(name: ProjectName, etag: string | undefined, signal: AbortSignal) {
    const { web, clock, pageMaxBytes } = this.#parts;
    return askPage({ web, clock, signal, maxBytes: pageMaxBytes }, { index: this.url, name, etag });
  }

  async #place(signal: AbortSignal): Promise<() => void> {
    try {
      return await this.#parts.places.take(signal);
    } catch (error) {
      if (error instanceof NoPlaceError) throw new UpstreamError('here', 'too many pages are being asked for at once');
      throw error;
    }
  }

  #worked(): void {
    this.lastSuccessAt = this.#parts.clock.nowMs();
  }

  #failed(failure: Failure, error: UpstreamError): void {
    if (failure.kind !== 'here') {
      this.lastFailureAt = this.#parts.clock.nowMs();
      this.lastError = error.message;
    }
    this.breaker.failed(failure, error.retryAfterMs);
  }

  #remember(name: ProjectName): void {
    this.#failing.delete(name);
    this.#failing.add(name);
    for (const oldest of this.#failing) if (this.#failing.size > KEPT_NAMES) this.#failing.delete(oldest);
  }

  /** One page, by turns of those that worked and failed last, and the file host that failed, if one did. */
  async #probe(signal: AbortSignal): Promise<void> {
    const { clock, timeoutMs, web } = this.#parts;
    const names = [...(this.#working === undefined ? [UNASKED[0]] : [this.#working]), ...this.#failing];
    const name = names[this.#probes % names.length] as ProjectName;
    this.#probes += 1;
    try {
      await within({ clock, ms: timeoutMs, signal }, async (limited) => {
        await this.#ask(name, undefined, limited).catch(forgiveOurLimits);
        const file = this.#failingFile;
        if (!file) return;
        const response = await web.request(file, { method: 'HEAD', headers: {}, signal: limited, mayDowngrade: true });
        response.body.on('error', () => {}).destroy();
      });
      this.#failingFile = undefined;
      this.#worked();
    } catch (error) {
      if (!signal.aborted) {
        this.lastFailureAt = clock.nowMs();
        this.lastError = upstreamErrorOf(error).message;
      }
      throw error;
    }
  }
}

/** What a failure says of this address. `wasAsked`: most of the time was spent asking. */
function kindOf({ kind, isElsewhere }: UpstreamError, wasAsked: boolean): Failure['kind'] {
  // Who waited for a place does not know whether upstream would have answered in time.
  if (kind === 'timeout' && !wasAsked) return 'here';
  // An index may send names that it lacks on to another, which is down: it has answered itself.
  return kind === 'unreachable' && isElsewhere ? 'answer' : kind;
}

/** What is too much for us was an answer all the same. */
function forgiveOurLimits(error: unknown): void {
  if (!(error instanceof UpstreamError) || error.kind !== 'here') throw error;
}
