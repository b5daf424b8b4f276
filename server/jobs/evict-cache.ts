import { nextWindow } from '../catalog/blobs.ts';
import type { Catalog } from '../catalog/catalog.ts';
import {
  cacheBytesIn,
  countUseFromStoring,
  type Evicted,
  type EvictionOrder,
  evictFiles,
  lastEviction,
  type UnusedFile,
} from '../catalog/evictions.ts';
import { USE_GRAIN_MS } from '../catalog/file-uses.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { Actor } from '../model/access.ts';
import type { ProjectName } from '../model/project-name.ts';
import { othersTurn } from '../others-turn.ts';
import { Problem } from '../problem.ts';
import type { FileUses } from '../repository/file-uses.ts';
import { canBeHadAgain, type Listed, listedNow } from '../repository/had-again.ts';
import type { Proxied } from '../repository/proxied.ts';
import { unusedWalk } from './unused-walk.ts';

/** What is needed to let go of files that came through upstreams. */
export interface EvictParts {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Logger;
  /** By the name of their repository. */
  readonly upstreams: ReadonlyMap<string, Pick<Proxied, 'name' | 'refresh' | 'isWell'>>;
  /** The upstreams that may be asked for a project. */
  readonly askedFor: (name: ProjectName) => Promise<ReadonlySet<string>>;
  readonly uses: Pick<FileUses, 'flush'>;
  /** Has kept locks pin what they need by now. */
  readonly checkLocks: () => Promise<unknown>;
  /** How much may be kept. */
  readonly maxBytes: number;
  /** What was used within that time stays, milliseconds. */
  readonly keepForMs: number;
  /** Told of what went. */
  readonly onEvicted?: (evicted: Evicted) => void;
}

export interface EvictOptions {
  readonly actor: Actor;
  readonly signal: AbortSignal;
  readonly onProgress?: (soFar: { readonly evicted: number; readonly evictedBytes: number }) => void;
}

/** What an eviction came to. */
export interface Eviction {
  readonly evicted: number;
  readonly evictedBytes: number;
  /** What is left. */
  readonly cacheBytes: number;
  /** Why that is still too much: a sentence. */
  readonly cacheNote?: string;
}

const WINDOW = 200;
const BATCH = 50;
const FILLED_AT_ONCE = 200;
const ROUNDS = 3;
/** An upstream must have said so lately that it has a file. */
const SAID_WITHIN_MS = 60 * 60_000;
/** An upstream that does not answer so often in a row is asked no more in this run. */
const FAILURES = 3;

/**
 * Lets files go that came through upstreams, those that were used longest ago first, until what is left fits. Stays: what was used
 * lately, what kept locks need, and what could not be had again as far as upstream says now. Goes on from what is there: it may be
 * stopped, or die, between any two steps, and run several times at once.
 */
export async function evictCache(parts: EvictParts, options: EvictOptions): Promise<Eviction> {
  const { catalog, uses, maxBytes } = parts;
  const { signal } = options;
  const repositories = [...parts.upstreams.keys()];
  const size = await cacheSize(catalog, repositories, signal);
  if (size.bytes <= maxBytes) return { evicted: 0, evictedBytes: 0, cacheBytes: size.bytes };
  await parts.checkLocks();
  await uses.flush();
  await countFromStoring(catalog, repositories, signal);
  const run = new EvictionRun(parts, options, size);
  // What another node was at too is looked at once more.
  for (let round = 0; round < ROUNDS && (await run.round()) === 'missed'; round += 1);
  return run.result();
}

interface CacheSize {
  /** Of what came through upstreams and nothing else keeps. */
  readonly bytes: number;
  /** The last eviction before that was counted. */
  readonly last: string | undefined;
}

async function cacheSize(catalog: Catalog, repositories: readonly string[], signal: AbortSignal): Promise<CacheSize> {
  const last = await catalog.read(lastEviction);
  let bytes = 0;
  let after = '';
  while (repositories.length > 0) {
    signal.throwIfAborted();
    const from = after;
    const window = await catalog.read(() => nextWindow(from, WINDOW));
    if (window === undefined) break;
    bytes += await catalog.read(() => cacheBytesIn(window, repositories));
    after = window.upTo;
    await othersTurn();
  }
  return { bytes, last };
}

async function countFromStoring(catalog: Catalog, repositories: readonly string[], signal: AbortSignal): Promise<void> {
  for (const repository of repositories) {
    while ((await catalog.write(() => countUseFromStoring(repository, FILLED_AT_ONCE))) > 0) signal.throwIfAborted();
  }
}

type Chosen = UnusedFile & { readonly revision: number };

class EvictionRun {
  readonly #parts: EvictParts;
  readonly #options: EvictOptions;
  readonly #repositories: readonly string[];
  /** What is remembered of a use may be a day old. */
  readonly #usedBefore: number;
  #choice: Choice;
  #size: CacheSize;
  #evicted = 0;
  #evictedBytes = 0;

  constructor(parts: EvictParts, options: EvictOptions, size: CacheSize) {
    this.#parts = parts;
    this.#options = options;
    this.#repositories = [...parts.upstreams.keys()];
    this.#usedBefore = parts.clock.nowMs() - parts.keepForMs - USE_GRAIN_MS;
    this.#choice = new Choice(parts);
    this.#size = size;
  }

  /** Goes once through all that may go. `missed`: it is still too much, and some have changed while they were looked at. */
  async round(): Promise<'done' | 'missed'> {
    const { catalog, maxBytes } = this.#parts;
    const walk = unusedWalk(catalog, { repositories: this.#repositories, usedBefore: this.#usedBefore });
    this.#choice = new Choice(this.#parts);
    let hasMissed = false;
    while (this.#size.bytes > maxBytes) {
      const { chosen, isOver } = await this.#choose(walk);
      if (chosen.length > 0 && (await this.#evict(chosen)) < chosen.length) hasMissed = true;
      if (isOver) break;
    }
    return hasMissed && this.#size.bytes > maxBytes ? 'missed' : 'done';
  }

  result(): Eviction {
    const { log, maxBytes } = this.#parts;
    const cacheBytes = this.#size.bytes;
    const sum = { evicted: this.#evicted, evictedBytes: this.#evictedBytes, cacheBytes };
    if (cacheBytes <= maxBytes) return sum;
    const over = cacheBytes - maxBytes;
    const cacheNote = `The cache has ${cacheBytes} bytes, ${over} more than limits.cacheBytes: ${this.#choice.why()}.`;
    log.warn({ cacheBytes, maxBytes }, cacheNote);
    return { ...sum, cacheNote };
  }

  /** The next files that may go, as many as are needed. */
  async #choose(
    walk: AsyncGenerator<UnusedFile>,
  ): Promise<{ readonly chosen: readonly Chosen[]; readonly isOver: boolean }> {
    const chosen: Chosen[] = [];
    let expected = 0;
    this.#choice.forgetPages();
    while (expected < this.#size.bytes - this.#parts.maxBytes && chosen.length < BATCH) {
      this.#options.signal.throwIfAborted();
      const next = await walk.next();
      if (next.done === true) return { chosen, isOver: true };
      const listed = await this.#choice.mayGo(next.value);
      if (listed === undefined) continue;
      chosen.push({ ...next.value, revision: listed.revision });
      expected += next.value.size;
    }
    return { chosen, isOver: false };
  }

  /** Answers how many went. */
  async #evict(chosen: readonly Chosen[]): Promise<number> {
    const { catalog, clock, onEvicted } = this.#parts;
    const { actor, signal, onProgress } = this.#options;
    const { last } = this.#size;
    const order = { usedBefore: this.#usedBefore, last, actor, now: clock.nowMs() };
    const went = await catalog.write(() => evictFiles(ordersOf(chosen), order));
    if (went === 'others') {
      this.#size = await cacheSize(catalog, this.#repositories, signal);
      return 0;
    }
    this.#size = { bytes: this.#size.bytes - went.bytes, last: went.last };
    this.#evicted += went.files;
    this.#evictedBytes += went.bytes;
    onEvicted?.(went);
    onProgress?.({ evicted: this.#evicted, evictedBytes: this.#evictedBytes });
    return went.files;
  }
}

function ordersOf(files: readonly Chosen[]): readonly EvictionOrder[] {
  return [...Map.groupBy(files, ({ repository, project }) => `${repository}/${project}`).values()].flatMap((group) => {
    const [one] = group;
    if (one === undefined) return [];
    const { repository, project, revision } = one;
    return [{ repository, project, revision, filenames: group.map(({ filename }) => filename) }];
  });
}

/** Decides what may go, and remembers why the rest may not. */
class Choice {
  readonly #parts: EvictParts;
  readonly #failures = new Map<string, number>();
  readonly #silent = new Set<string>();
  #pages = new Map<string, Listed | undefined>();
  #pinned = 0;
  #lost = 0;

  constructor(parts: EvictParts) {
    this.#parts = parts;
  }

  /** What upstream lists, when it lists the file and the file may go. */
  async mayGo(file: UnusedFile): Promise<Listed | undefined> {
    if (!file.isCacheOnly) return undefined;
    if (file.isPinned) {
      this.#pinned += 1;
      return undefined;
    }
    const listed = await this.#listed(file);
    if (listed !== undefined && canBeHadAgain(listed.files.get(file.filename), file)) return listed;
    if (!this.#silent.has(file.repository)) this.#lost += 1;
    return undefined;
  }

  /** What was looked at changes with what goes. */
  forgetPages(): void {
    this.#pages = new Map();
  }

  /** Why what is left stays: the end of a sentence. */
  why(): string {
    const reasons = [
      'what is left was used within limits.cacheKeepFor',
      ...(this.#pinned === 0 ? [] : [`is needed by kept locks (${count(this.#pinned)})`]),
      ...(this.#lost === 0 ? [] : [`may not be had again (${count(this.#lost)})`]),
      ...(this.#silent.size === 0
        ? []
        : [`comes from an upstream that does not answer (${[...this.#silent].join(', ')})`]),
    ];
    const last = reasons.pop();
    return reasons.length === 0 ? `${last}` : `${reasons.join(', ')} or ${last}`;
  }

  async #listed({ repository, project }: UnusedFile): Promise<Listed | undefined> {
    const { catalog, clock, log, upstreams, askedFor } = this.#parts;
    const upstream = upstreams.get(repository);
    // Looked at each time: an outage may begin at any.
    if (upstream === undefined || !upstream.isWell) this.#silent.add(repository);
    if (upstream === undefined || this.#silent.has(repository)) return undefined;
    const key = `${repository}/${project}`;
    if (this.#pages.has(key)) return this.#pages.get(key);
    let listed: Listed | undefined;
    try {
      // Of a private name nobody is asked.
      if ((await askedFor(project)).has(repository)) {
        const since = clock.nowMs() - SAID_WITHIN_MS;
        listed = await listedNow(catalog, { upstream, name: project, since });
        this.#failures.delete(repository);
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      log.warn(
        { upstream: repository, project, err: error },
        'whether files can be had again cannot be told: they stay',
      );
      const failures = (this.#failures.get(repository) ?? 0) + 1;
      this.#failures.set(repository, failures);
      if (failures >= FAILURES) this.#silent.add(repository);
    }
    this.#pages.set(key, listed);
    await othersTurn();
    return listed;
  }
}

function count(files: number): string {
  return files === 1 ? '1 file' : `${files} files`;
}
