import { CatalogUnavailableError } from '../catalog/errors.ts';
import { eachAtOnce } from '../each-at-once.ts';
import type { Actor } from '../model/access.ts';
import { distributionOf } from '../model/filename.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import type { FirstMatch } from '../repository/first-match.ts';
import { type BuildRelease, type BuildRoot, buildClosure } from './build-closure.ts';
import type { Buildable } from './build-requires.ts';
import { toBeBuilt } from './coverage.ts';
import { Gate, unlessAborted } from './gate.ts';
import type { LockNote } from './lock.ts';
import type { MirrorParts, MirrorSummary } from './mirror.ts';
import { type Planned, planProject } from './mirror-project.ts';
import type { MirrorReport, Outcome } from './mirror-report.ts';
import type { Needed } from './needed.ts';
import { requiresDist } from './offline-world.ts';
import type { PickOptions } from './pick-files.ts';
import { unnamedDependencies } from './unnamed.ts';

const ONLINE = { offline: false };

/** A thing to be had, which may be tried twice. */
interface Task {
  readonly facts: Omit<Outcome, 'state' | 'why'>;
  readonly isOptional: boolean;
  /** Answers what it came to. Throws `Problem`. */
  readonly attempt: () => Promise<Outcome>;
}

/** One run of `Mirror`. */
export class MirrorRun {
  readonly #parts: MirrorParts;
  readonly #index: FirstMatch;
  readonly #options: PickOptions;
  readonly #actor: Actor;
  readonly #report: MirrorReport;
  readonly #gate: Gate;
  readonly #again: { task: Task; why: string }[] = [];
  readonly #sourceArchives: Buildable[] = [];
  readonly #had = new Map<ProjectName, Buildable[]>();

  constructor(
    parts: MirrorParts,
    order: { readonly index: FirstMatch; readonly options: PickOptions; readonly actor: Actor },
    report: MirrorReport,
  ) {
    this.#parts = parts;
    this.#index = order.index;
    this.#options = order.options;
    this.#actor = order.actor;
    this.#report = report;
    this.#gate = new Gate(parts.atOnce);
  }

  async all(needed: readonly Needed[]): Promise<Omit<MirrorSummary, 'notes'>> {
    const { atOnce } = this.#parts;
    const work: (() => Promise<void>)[] = [];
    const projects = new Map<ProjectName, Needed[]>();
    for (const each of needed) {
      const { source, project } = each.entry;
      if (source.kind !== 'index') work.push(() => this.#source(each));
      else if (project !== undefined) projects.set(project, [...(projects.get(project) ?? []), each]);
    }
    for (const [project, entries] of projects) work.push(() => this.#project(project, entries));
    await eachAtOnce(work, atOnce, (one) => one());
    await this.#tryAgain();
    await this.#buildRequirements();
    await this.#tryAgain();
    this.#report.signal.throwIfAborted();
    return { counts: this.#report.counts, failures: this.#report.failures };
  }

  /** What the lock should have named. */
  async unnamed(needed: readonly Needed[]): Promise<readonly LockNote[]> {
    const wheels = new Map<ProjectName, string>();
    for (const [project, had] of this.#had) {
      const wheel = had.find(({ filename }) => filename.endsWith('.whl'));
      if (wheel !== undefined) wheels.set(project, wheel.filename);
    }
    const { targets } = this.#options;
    return await unlessAborted(this.#report.signal, () =>
      unnamedDependencies(needed, { index: this.#index, wheels, targets }),
    );
  }

  async #project(project: ProjectName, entries: readonly Needed[]): Promise<void> {
    const { signal } = this.#report;
    let plan: Awaited<ReturnType<typeof planProject>>;
    try {
      plan = await unlessAborted(signal, () => planProject(this.#index, project, { entries, options: this.#options }));
    } catch (error) {
      const why = this.#why(error, project);
      plan = { files: [], lacking: entries.map((needed) => ({ needed, unlisted: { why } })) };
    }
    for (const { needed, unlisted } of plan.lacking) await this.#lacking(needed, unlisted);
    const had: Buildable[] = [];
    this.#had.set(project, had);
    await Promise.all(plan.files.map((planned) => this.#gate.run(() => this.#do(this.#fileTask(planned, had)))));
    this.#report.entriesDone(entries.length);
  }

  async #lacking(
    { entry, isOptional }: Needed,
    { filename, why }: { readonly filename?: string; readonly why: string },
  ): Promise<void> {
    const { project: name = '', version, place } = entry;
    const hint = isOptional || filename !== undefined ? '' : ` (${place})`;
    await this.#report.tell({
      state: isOptional ? 'skipped' : 'failed',
      name,
      version,
      filename,
      place,
      why: `${why}${hint}`,
    });
  }

  #fileTask(planned: Planned, had: Buildable[], by?: string): Task {
    const { project, file, hashes, version, place, isOptional } = planned;
    const { filename } = file;
    const facts = {
      name: project,
      version: version ?? distributionOf(filename, project).version,
      filename,
      ...(by === undefined ? { place } : { by }),
    };
    const attempt = async (): Promise<Outcome> => {
      const served = await this.#index.file(project, filename, ONLINE);
      if (served === undefined) throw new Problem('project-not-found', 'the project has gone from the index');
      const state = served.origin.outcome === 'hit' ? 'present' : 'stored';
      await served.keep();
      const kept = served.digest === undefined ? await this.#index.file(project, filename, ONLINE) : served;
      const { digest, size = file.size ?? 0 } = kept ?? served;
      if (digest === undefined) throw new Problem('file-not-found', 'it could not be stored');
      if (hashes.size > 0 && !hashes.has(digest))
        throw new Problem('upstream-mismatch', `it has the sha256 ${digest}, which the lock does not have`);
      // An installer asks for them first, and an index that announces them must have them.
      if (filename.endsWith('.whl')) await (await this.#index.file(project, `${filename}.metadata`, ONLINE))?.keep();
      had.push({ digest, size, filename });
      return { ...facts, state, sha256: digest, size };
    };
    return { facts, isOptional, attempt };
  }

  async #source({ entry, isOptional }: Needed): Promise<void> {
    const { source, version, place } = entry;
    const name = entry.project ?? ('url' in source ? source.url : 'unknown');
    const facts = { name, version, place, source: true as const };
    const attempt = async (): Promise<Outcome> => {
      const { signal } = this.#report;
      const kept = await this.#parts.sources.keep(entry, { signal, actor: this.#actor });
      const { filename, digest: sha256, size, digest, project } = kept.record;
      if (!filename.endsWith('.whl')) {
        const subdirectory = 'subdirectory' in source ? source.subdirectory : undefined;
        this.#sourceArchives.push({ digest, size, filename, subdirectory });
      }
      const state = kept.isNew ? 'stored' : 'present';
      const { commit, notes } = kept;
      return {
        ...facts,
        name: project,
        state,
        filename,
        sha256,
        size,
        commit,
        ...(notes.length === 0 ? {} : { notes }),
      };
    };
    await this.#gate.run(() => this.#do({ facts, isOptional, attempt }));
    this.#report.entriesDone(1);
  }

  /** Runs a task and tells its outcome, or puts it aside for a second try. */
  async #do(task: Task, isLast = false): Promise<void> {
    const { signal } = this.#report;
    try {
      await this.#report.tell(await unlessAborted(signal, task.attempt));
    } catch (error) {
      const why = this.#why(error, task.facts.filename ?? task.facts.name);
      if (!isLast && error instanceof Problem && error.status >= 500) this.#again.push({ task, why });
      else await this.#report.tell({ ...task.facts, state: task.isOptional ? 'skipped' : 'failed', why });
    }
  }

  async #tryAgain(): Promise<void> {
    const again = this.#again.splice(0);
    await eachAtOnce(again, this.#parts.atOnce, ({ task }) => this.#do(task, true));
  }

  /** The sentence that tells a failure. What ends the whole run is thrown on. */
  #why(error: unknown, what: string): string {
    const { signal } = this.#report;
    if (signal.aborted) throw signal.reason;
    if (error instanceof Problem) return error.detail;
    if (error instanceof CatalogUnavailableError) throw error;
    this.#parts.log.error({ err: error, what }, 'something that a lock needs could not be had');
    return 'it failed here; the log has more under the id of this job';
  }

  async #buildRequirements(): Promise<void> {
    const roots: BuildRoot[] = [];
    const sdists = [...this.#had].flatMap(([project, had]) => toBeBuilt(project, had, this.#options));
    for (const archive of [...this.#sourceArchives, ...sdists]) {
      for (const requirement of await this.#requiresOf(archive)) roots.push({ requirement, by: archive.filename });
    }
    const lacking: { name: string; by: string; why: string }[] = [];
    await buildClosure(roots, this.#options.targets, {
      candidates: async (project) => {
        if ((await this.#asked(project)) === undefined) return undefined;
        return (await this.#index.project(project, ONLINE))?.files;
      },
      take: (release) => this.#take(release),
      lacks: (what) => lacking.push(what),
    });
    for (const { name, by, why } of lacking)
      await this.#report.tell({ state: 'failed', name, by, why: `${by} needs it to be built, and ${why}` });
  }

  async #requiresOf(archive: Buildable): Promise<readonly string[]> {
    const { signal } = this.#report;
    return (await unlessAborted(signal, () => this.#parts.buildRequires.of(archive))) ?? [];
  }

  async #asked(project: ProjectName) {
    try {
      return await unlessAborted(this.#report.signal, () => this.#index.state(project, ONLINE));
    } catch (error) {
      await this.#report.tell({ state: 'failed', name: project, why: this.#why(error, project) });
      return undefined;
    }
  }

  async #take(release: BuildRelease): Promise<readonly string[]> {
    const { project, version, filenames, by } = release;
    const page = await this.#index.project(project, ONLINE);
    const had: Buildable[] = [];
    const common = { project, hashes: new Set<string>(), version, place: '', isOptional: false };
    const files = (page?.files ?? []).filter(({ filename }) => filenames.includes(filename));
    await Promise.all(
      files.map((file) => this.#gate.run(() => this.#do(this.#fileTask({ ...common, file }, had, by)))),
    );
    const builds = toBeBuilt(project, had, this.#options);
    const own = await Promise.all(builds.map((archive) => this.#requiresOf(archive)));
    const stored = had.map(({ filename }) => filename);
    return [...own.flat(), ...(await requiresDist(this.#index, { project, filenames: stored }, ONLINE))];
  }
}
