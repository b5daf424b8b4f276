import type { HotReads } from '../catalog/hot-reads.ts';
import type { Seen } from '../catalog/seen.ts';
import type { ProjectDetail } from '../model/distribution-file.ts';
import { archiveOf } from '../model/filename.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import { PrivateNames } from './private-names.ts';
import type { Look, PageState, Repository, ServedFile, View } from './repository.ts';

/** One of the repositories that an index looks through. */
export interface Source {
  readonly kind: 'hosted' | 'upstream';
  readonly repository: Repository;
}

/**
 * An index: the first repository that knows a project answers for it alone, nothing is merged, so that nobody can slip a newer
 * version of a private name in from elsewhere (dependency confusion). Private names are never asked of an upstream. An upstream
 * that cannot be asked, about a name that it was never asked for, ends the search: what follows might not be its equal.
 */
export class FirstMatch implements Repository {
  readonly name: string;
  readonly sources: readonly Source[];
  readonly privateNames: PrivateNames;

  readonly #hot: Pick<HotReads, 'see' | 'certain'>;

  constructor(
    name: string,
    sources: readonly Source[],
    options: { readonly privatePatterns: readonly string[]; readonly hot: Pick<HotReads, 'see' | 'certain'> },
  ) {
    this.name = name;
    this.sources = sources;
    this.privateNames = new PrivateNames(options.privatePatterns);
    this.#hot = options.hot;
  }

  /**
   * Reads at once what all repositories hold of a project and a file, for the view of a request; `undefined` where there is no reason to:
   * each of them is asked in its turn then.
   */
  see(name: ProjectName, filename?: string): Promise<Seen> | undefined {
    return this.#hot.see?.(name, filename === undefined ? undefined : archiveOf(filename));
  }

  /** `undefined` also for what is not known here: `state` says so, if it may. */
  stateNow(name: ProjectName, view: Look): PageState | undefined {
    for (const { repository } of this.sourcesFor(name)) {
      const state = repository.stateNow?.(name, view);
      if (state !== 'absent') return state;
    }
    return undefined;
  }

  async state(name: ProjectName, view: Look): Promise<PageState | undefined> {
    for (const { repository, isLast, look } of this.#inTurn(name, await this.#lookWith(view, name))) {
      const state = await repository.state(name, look).catch((error) => endSearch(error, isLast));
      if (state !== undefined) return state;
    }
    this.#hot.certain();
    return undefined;
  }

  async project(name: ProjectName, view: View, state?: PageState): Promise<ProjectDetail | undefined> {
    for (const { repository } of this.sourcesFor(name)) {
      if (state !== undefined && state.repository !== repository.name) continue;
      const project = await repository.project(name, view, state);
      if (project !== undefined) return project;
    }
    return undefined;
  }

  async file(name: ProjectName, filename: string, view: Look): Promise<ServedFile | undefined> {
    for (const { repository, isLast, look } of this.#inTurn(name, await this.#lookWith(view, name, filename))) {
      const file = await repository.file(name, filename, look).catch((error) => endSearch(error, isLast));
      if (file !== undefined) return file;
    }
    this.#hot.certain();
    return undefined;
  }

  /** Asks the repository that answers for the project; none that is not configured to. */
  async refresh(name: ProjectName): Promise<void> {
    for (const { repository } of this.sourcesFor(name)) {
      if ((await repository.state(name, { offline: false })) !== undefined) return repository.refresh?.(name);
    }
  }

  async provenance(
    name: ProjectName,
    filename: string,
    view: View,
  ): Promise<{ contentType: string; body: Buffer } | undefined> {
    for (const { repository, isLast, look } of this.#inTurn(name, view)) {
      const state = await repository.state(name, look).catch((error) => endSearch(error, isLast));
      if (state === undefined) continue;
      const found = await repository.provenance?.(name, filename, view);
      if (found !== undefined) return found;
      throw new Problem('file-not-found', `There is no provenance of ${filename}.`);
    }
    return undefined;
  }

  /** Every name once, ascending. */
  async *projects(view: View): AsyncGenerator<ProjectName> {
    const streams = this.sources.map((source) => ({
      source,
      names: source.repository.projects(view)[Symbol.asyncIterator](),
    }));
    const heads = await Promise.all(streams.map(async (stream) => ({ ...stream, head: await stream.names.next() })));
    for (;;) {
      const open = heads.filter((stream) => stream.head.done !== true);
      const [least] = open.map((stream) => stream.head.value as ProjectName).sort();
      if (least === undefined) return;
      let isOurs = false;
      for (const stream of open) {
        if (stream.head.value !== least) continue;
        if (stream.source.kind === 'hosted' || !this.privateNames.has(least)) isOurs = true;
        stream.head = await stream.names.next();
      }
      if (isOurs) yield least;
    }
  }

  /** The first repository that takes uploads. */
  get hosted(): Repository | undefined {
    return this.sources.find((source) => source.kind === 'hosted')?.repository;
  }

  /** The repositories that are asked for a project, in order. */
  sourcesFor(name: ProjectName): readonly Source[] {
    return this.privateNames.has(name) ? this.sources.filter((source) => source.kind === 'hosted') : this.sources;
  }

  #inTurn(name: ProjectName, look: Look): readonly Turn[] {
    const sources = this.sourcesFor(name);
    const last = sources.length - 1;
    const upstream = sources.findIndex(({ kind }) => kind === 'upstream');
    if (upstream < 0 || upstream === last)
      return sources.map(({ repository }, at) => ({ repository, isLast: at === last, look }));
    const waited = { ms: 0 };
    return sources.map(({ repository }, at) => ({
      repository,
      isLast: at === last,
      look: { ...look, search: { othersFollow: at < last, waited } },
    }));
  }

  async #lookWith(view: Look, name: ProjectName, filename?: string): Promise<Look> {
    if (view.seen !== undefined) return view;
    const seen = await this.see(name, filename);
    return seen === undefined ? view : { ...view, seen };
  }
}

interface Turn {
  readonly repository: Repository;
  readonly isLast: boolean;
  /** The request's, as this repository is to have it. */
  readonly look: Look;
}

/** Throws what ended the search; of an upstream that is down and has others behind it, that they are not asked instead. */
function endSearch(error: unknown, isLast: boolean): never {
  const isDown = error instanceof Problem && /^upstream-(?:unavailable|timeout)$/.test(error.slug);
  if (isLast || !isDown) throw error;
  const { detail, retryAfter } = error;
  throw new Problem('earlier-index-unavailable', `${detail} Those after it are not asked in its place.`, {
    cause: error,
    ...(retryAfter === undefined ? {} : { retryAfter }),
  });
}
