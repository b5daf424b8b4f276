import type { BlobStore } from '../../storage/blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { findHeldByDigest, findHeldByProject, findProjectRows, type HeldFile } from '../catalog/holdings.ts';
import type { Clock } from '../clock.ts';
import type { ProjectDetail } from '../model/distribution-file.ts';
import type { ProjectName } from '../model/project-name.ts';
import type { FirstMatch } from '../repository/first-match.ts';
import type { Repository } from '../repository/repository.ts';
import { type Answering, answering } from './answering.ts';
import { type BuildRoot, buildClosure } from './build-closure.ts';
import type { Buildable, BuildRequires } from './build-requires.ts';
import { checkBytes } from './check-bytes.ts';
import { toBeBuilt, uncovered } from './coverage.ts';
import { type DrillResult, Findings } from './findings.ts';
import { findKeptSources } from './kept-sources.ts';
import type { Lock } from './lock.ts';
import { lockRemarks } from './lock-remarks.ts';
import { type Needed, neededEntries } from './needed.ts';
import { OfflineWorld } from './offline-world.ts';
import { type PickOptions, pickFiles } from './pick-files.ts';
import { fitsTargets } from './targets.ts';

/** What a drill found, and the stored files that the lock needs. */
export interface Drilled {
  readonly result: DrillResult;
  readonly held: readonly HeldFile[];
}

export interface DrillParts {
  readonly catalog: Catalog;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly buildRequires: BuildRequires;
}

/** Proves from what is stored that a lock installs with nothing but this server, or says what is missing. Asks nobody outside. */
export class Drill {
  readonly #parts: DrillParts;

  constructor(parts: DrillParts) {
    this.#parts = parts;
  }

  async run(lock: Lock, index: FirstMatch, options: PickOptions): Promise<Drilled> {
    const findings = new Findings(options.targets);
    for (const { place, detail } of lockRemarks(lock)) findings.note(place, detail);
    const needed = neededEntries(lock, options.targets);
    const builds = await this.#indexEntries(needed, { index, options, findings });
    for (const source of await findKeptSources(this.#parts.catalog, needed)) {
      if (source.record === undefined) {
        const { entry, isOptional } = source.needed;
        const missing = { name: source.name, version: entry.version ?? null, filename: null, why: source.why };
        if (isOptional) findings.note(entry.place, source.why);
        else findings.miss(missing);
        continue;
      }
      findings.holdSource(source.record);
      for (const note of source.notes) findings.note(source.needed.entry.place, note);
      if (!source.record.filename.endsWith('.whl'))
        builds.push({ ...source.record, subdirectory: source.subdirectory });
    }
    await this.#builds(builds, { index, options, findings });
    await checkBytes(findings, this.#parts);
    return { result: findings.result(), held: findings.held };
  }

  async #indexEntries(needed: readonly Needed[], run: Run): Promise<Buildable[]> {
    const { catalog } = this.#parts;
    const entries = needed.filter(({ entry }) => entry.source.kind === 'index');
    const names = [...new Set(entries.flatMap(({ entry }) => entry.project ?? []))];
    const hashes = new Set(entries.flatMap(({ entry }) => entry.hashes));
    const open = entries.flatMap(({ entry }) => (entry.hashes.length === 0 ? (entry.project ?? []) : []));
    const rows = Map.groupBy(await catalog.read(() => findProjectRows(names)), ({ name }) => name);
    const byDigest = await catalog.read(() => findHeldByDigest([...hashes]));
    const byProject = await catalog.read(() => findHeldByProject([...new Set(open)]));
    const world: World = {
      answers: new Map(names.map((name) => [name, answering(run.index, name, rows.get(name) ?? [])])),
      files: new Map(
        [...byDigest, ...byProject].map((file) => [fileKey(file.repository, file.project, file.filename), file]),
      ),
      digests: new Map(byDigest.map((file) => [fileKey(file.repository, file.project, file.digest), file])),
      pages: new Map(),
    };
    const builds: Buildable[] = [];
    for (const each of entries) builds.push(...(await indexEntry(each, world, run)));
    return builds;
  }

  async #builds(archives: readonly Buildable[], { index, options, findings }: Run): Promise<void> {
    const { catalog, buildRequires } = this.#parts;
    const roots: BuildRoot[] = [];
    const read = async (archive: Buildable): Promise<readonly string[]> => {
      const requires = await buildRequires.of(archive);
      if (requires === undefined)
        findings.note(archive.filename, 'what it needs to be built cannot be told from the archive');
      return requires ?? [];
    };
    for (const archive of archives)
      for (const requirement of await read(archive)) roots.push({ requirement, by: archive.filename });
    if (roots.length === 0) return;
    const repositoryOf = async (project: ProjectName): Promise<Repository | undefined> => {
      const answer = answering(index, project, await catalog.read(() => findProjectRows([project])));
      return answer.repository !== undefined && !answer.isQuarantined ? answer.repository : undefined;
    };
    const world = new OfflineWorld({
      repositoryOf,
      onTaken: async ({ project, filenames }, repository) => {
        const held = (await catalog.read(() => findHeldByProject([project]))).filter(
          (file) => file.repository === repository.name && filenames.includes(file.filename),
        );
        for (const file of held) findings.hold(file);
        const requires = await Promise.all(toBeBuilt(project, held, options).map(read));
        return requires.flat();
      },
      onLacking: ({ name, by, why, isOptional }) => {
        if (isOptional) findings.note(by, `older versions of pip or setuptools need ${name} to build it, and ${why}`);
        else findings.miss({ name, version: null, filename: null, why: `${by} needs it to be built, and ${why}` });
      },
    });
    await buildClosure(roots, options.targets, world);
  }
}

interface Run {
  readonly index: FirstMatch;
  readonly options: PickOptions;
  readonly findings: Findings;
}

/** What is known of the projects of a lock. */
interface World {
  readonly answers: ReadonlyMap<ProjectName, Answering>;
  /** By repository, project and file name. */
  readonly files: ReadonlyMap<string, HeldFile>;
  /** By repository, project and digest. */
  readonly digests: ReadonlyMap<string, HeldFile>;
  readonly pages: Map<string, Promise<ProjectDetail | undefined>>;
}

function fileKey(repository: string, project: string, what: string): string {
  return `${repository} ${project} ${what}`;
}

/** Finds an entry's files; answers those that would have to be built. */
async function indexEntry(needed: Needed, world: World, run: Run): Promise<readonly Buildable[]> {
  const { entry, isOptional } = needed;
  const { options, findings } = run;
  const { project, version = null, place } = entry;
  if (project === undefined) return [];
  const miss = (filename: string | null, why: string): void => {
    if (isOptional) findings.note(place, `${project}: ${why}`);
    else findings.miss({ name: project, version, filename, why });
  };
  const answer = world.answers.get(project);
  if (answer?.repository === undefined || answer.isQuarantined) {
    const why = answer?.why ?? 'the project is quarantined';
    const names = entry.files.flatMap(({ filename }) => filename ?? []);
    const wanted = options.targets.length === 0 ? names : names.filter((name) => fitsTargets(name, options.targets));
    for (const filename of wanted.length === 0 ? [null] : wanted) miss(filename, why);
    return [];
  }
  const { repository } = answer;
  const found: HeldFile[] = [];
  const known: string[] = entry.files.flatMap(({ filename }) => filename ?? []);
  const unseen: string[] = [];
  for (const hash of entry.hashes) {
    const file = world.digests.get(fileKey(repository.name, project, hash));
    if (file === undefined) unseen.push(hash);
    else found.push(file);
  }
  if (entry.hashes.length === 0 || unseen.length > 0) {
    const page = await pageOf(repository, project, world);
    const looked = { ...entry, hashes: unseen };
    const picked =
      page === undefined
        ? { files: [], unlisted: [{ why: 'nothing is known of the project here' }] }
        : pickFiles(looked, page, options);
    for (const { filename } of picked.files) {
      known.push(filename);
      const file = world.files.get(fileKey(repository.name, project, filename));
      if (file !== undefined && entry.hashes.length === 0) found.push(file);
      else
        miss(
          filename,
          file === undefined ? 'it is not stored here' : 'it is stored with another sha256 than the lock has',
        );
    }
    for (const { filename = null, why } of picked.unlisted) miss(filename, why);
  }
  const fitting = found.filter(
    ({ filename }) => options.targets.length === 0 || fitsTargets(filename, options.targets),
  );
  for (const file of fitting) {
    findings.hold(file);
    if (file.filename.endsWith('.whl') && !file.hasMetadata)
      miss(file.filename, 'its core metadata are not kept: mirror the lock again');
  }
  for (const { filename } of found) known.push(filename);
  for (const target of uncovered(needed, known, options.targets)) {
    const why = `no file of the lock fits ${target.text}`;
    if (isOptional) findings.note(place, `${project}: ${why}`);
    else findings.miss({ name: project, version, filename: null, why }, target);
  }
  return toBeBuilt(project, fitting, options);
}

/** The page as it is kept. */
function pageOf(repository: Repository, project: ProjectName, { pages }: World): Promise<ProjectDetail | undefined> {
  const key = `${repository.name} ${project}`;
  const page = pages.get(key) ?? repository.project(project, { offline: false });
  pages.set(key, page);
  return page;
}
