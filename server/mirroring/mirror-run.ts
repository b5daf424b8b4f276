import { CatalogUnavailableError } from '../catalog/errors.ts';
import { eachAtOnce } from '../each-at-once.ts';
import type { Actor } from '../model/access.ts';
import { distributionOf } from '../model/filename.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import type { FirstMatch } from '../repository/first-match.ts';
import { type BuildRelease, type BuildRoot, buildClosure, type Lacking } from './build-closure.ts';
import type { Buildable } from './build-requires.ts';
import { toBeBuilt } from './coverage.ts';
import { Gate, unlessAborted } from './gate.ts';
import { folderIn, type LockNote } from './lock.ts';
import type { MirrorParts, MirrorSummary } from './mirror-parts.ts';
import { type Planned, planProject } from './mirror-project.ts';
import type { MirrorReport, Outcome } from './mirror-report.ts';
import type { Needed } from './needed.ts';
import { requiresDist } from './offline-world.ts';
import type { PickOptions } from './pick-files.ts';
import { UnnamedDependencies } from './unnamed.ts';

const ONLINE = { offline: false };

/** A thing to be had, which may be tried twice. */
interface Task {
  readonly facts: Omit<Outcome, 'state' | 'why'>;
  readonly isOptional: boolean;
  /** Answers what it came to. Calls `onCome` once nothing more is awaited from outside, should that be earlier. Throws `Problem`. */
  readonly attempt: (onCome: () => void) => Promise<Outcome>;
}

/** One run of `Mirror`. */
export class MirrorRun {
  readonly #parts: MirrorParts;
  readonly #index: FirstMatch;
  readonly #options: PickOptions;
  readonly #actor: Actor;
  readonly #report: MirrorReport;
  /** For what comes from outside. */
  readonly #gate: Gate;
  /** For all that is under way: while some are stored, others come. */
  readonly #underWay: Gate;
  readonly #again: { task: Task; why: string }[] = [];
  readonly #sourceArchives: Buildable[] = [];
  readonly #had = new Map<ProjectName, Buildable[]>();
  /** Of a lock that may not name everything. */
  #unnamed: UnnamedDependencies | undefined;

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
    this.#underWay = new Gate(2 * parts.atOnce);
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
    await eachAtOnce(work, 2 * atOnce, (one) => one());
    await this.#tryAgain();
    await this.#buildRequirements();
    await this.#tryAgain();
    this.#report.signal.throwIfAborted();
    return { counts: this.#report.counts, failures: this.#report.failures };
  }

  /** Looks from now on for what the lock should have named. */
  lookForUnnamed(needed: readonly Needed[]): void {
    this.#unnamed = new UnnamedDependencies(needed, { index: this.#index, targets: this.#options.targets });
  }

  /** What the lock should have named. */
  async unnamed(needed: readonly Needed[]): Promise<readonly LockNote[]> {
    // Nearly all were looked at when they came.
    for (const each of needed) await this.#lookAt(each);
    return this.#unnamed?.notes() ?? [];
  }

  async #lookAt(needed: Needed): Promise<void> {
    const { project } = needed.entry;
    const had = project === undefined ? undefined : this.#had.get(project);
    const wheel = had?.find(({ filename }) => filename.endsWith('.whl'));
    if (wheel === undefined) return;
    await unlessAborted(this.#report.signal, async () => this.#unnamed?.look(needed, wheel.filename));
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
    await Promise.all(plan.files.map((planned) => this.#inTurn(this.#fileTask(planned, had))));
    try {
      for (const each of entries) await this.#lookAt(each);
    } catch (error) {
      // Asked again at the end: nothing that was read for a note keeps the rest from being stored.
      if (this.#report.signal.aborted) throw error;
    }
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
    const attempt = async (onCome: () => void): Promise<Outcome> => {
      const served = await this.#index.file(project, filename, ONLINE);
      if (served === undefined) throw new Problem('project-not-found', 'the project has gone from the index');
      const state = served.origin.outcome === 'hit' ? 'present' : 'stored';
      await served.keep(onCome);
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
        this.#sourceArchives.push({ digest, size, filename, subdirectory: folderIn(source) });
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
    await this.#inTurn({ facts, isOptional, attempt });
    this.#report.entriesDone(1);
  }

  #inTurn(task: Task): Promise<void> {
    return this.#underWay.run(() => this.#gate.run((leave) => this.#do(task, { onCome: leave })));
  }

  /** Runs a task and tells its outcome, or puts it aside for a second try. */
  async #do(
    task: Task,
    { onCome = () => {}, isLast = false }: { readonly onCome?: () => void; readonly isLast?: boolean },
  ): Promise<void> {
    const { signal } = this.#report;
    try {
      await this.#report.tell(await unlessAborted(signal, () => task.attempt(onCome)));
    } catch (error) {
      const why = this.#why(error, task.facts.filename ?? task.facts.name);
      if (!isLast && error instanceof Problem && error.status >= 500) this.#again.push({ task, why });
      else await this.#report.tell({ ...task.facts, state: task.isOptional ? 'skipped' : 'failed', why });
    }
  }

  async #tryAgain(): Promise<void> {
    const again = this.#again.splice(0);
    await eachAtOnce(again, this.#parts.atOnce, ({ task }) => this.#do(task, { isLast: true }));
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
    const lacking: Lacking[] = [];
    await buildClosure(roots, this.#options.targets, {
      candidates: async (project, { isOptional }) => {
        if ((await this.#asked(project, isOptional ? 'skipped' : 'failed')) === undefined) return undefined;
        return (await this.#index.project(project, ONLINE))?.files;
      },
      take: (release) => this.#take(release),
      lacks: (what) => lacking.push(what),
    });
    for (const { name, by, why, isOptional } of lacking) {
      const [state, needs] = isOptional ? (['skipped', 'may need'] as const) : (['failed', 'needs'] as const);
      await this.#report.tell({ state, name, by, why: `${by} ${needs} it to be built, and ${why}` });
    }
  }

  async #requiresOf(archive: Buildable): Promise<readonly string[]> {
    const { signal } = this.#report;
    return (await unlessAborted(signal, () => this.#parts.buildRequires.of(archive))) ?? [];
  }

  async #asked(project: ProjectName, state: 'failed' | 'skipped') {
    try {
      return await unlessAborted(this.#report.signal, () => this.#index.state(project, ONLINE));
    } catch (error) {
      await this.#report.tell({ state, name: project, why: this.#why(error, project) });
      return undefined;
    }
  }

  async #take(release: BuildRelease): Promise<readonly string[]> {
    const { project, version, filenames, by, isOptional = false } = release;
    const page = await this.#index.project(project, ONLINE);
    const had: Buildable[] = [];
    const common = { project, hashes: new Set<string>(), version, place: '', isOptional };
    const files = (page?.files ?? []).filter(({ filename }) => filenames.includes(filename));
    await Promise.all(files.map((file) => this.#inTurn(this.#fileTask({ ...common, file }, had, by))));
    const builds = toBeBuilt(project, had, this.#options);
    const own = await Promise.all(builds.map((archive) => this.#requiresOf(archive)));
    const stored = had.map(({ filename }) => filename);
    return [...own.flat(), ...(await requiresDist(this.#index, { project, filenames: stored }, ONLINE))];
  }
}
