import { distributionOf } from '../model/filename.ts';
import type { ProjectName } from '../model/project-name.ts';
import { type Requirement, requirementIn } from '../model/requirement.ts';
import { fulfils, pythonFulfils } from '../model/specifier.ts';
import { compareVersions, isPrerelease } from '../model/version.ts';
import { markerMayHold } from './target-markers.ts';
import { fitsTargets, type Target } from './targets.ts';

/** A file that may be chosen. */
export interface Candidate {
  readonly filename: string;
  readonly requiresPython?: string;
  readonly yanked?: true | string;
}

/** A release that builds need. */
export interface BuildRelease {
  readonly project: ProjectName;
  readonly version: string;
  readonly filenames: readonly string[];
  /** What needs it, for messages. */
  readonly by: string;
  /** Builds may do without. */
  readonly isOptional?: true;
}

/** Where build requirements are looked for. */
export interface BuildWorld {
  /** The files of a project that may be chosen; `undefined`: it is not known. */
  candidates(project: ProjectName, need: { readonly isOptional?: true }): Promise<readonly Candidate[] | undefined>;
  /** Has the release's files; answers what they require in turn. */
  take(release: BuildRelease): Promise<readonly string[]>;
  /** There is no release that fits. */
  lacks(what: Lacking): void;
}

/** What builds need and cannot have. */
export interface Lacking {
  readonly name: string;
  readonly by: string;
  readonly why: string;
  readonly isOptional?: true;
}

/** What a build needs, and for which of an archive. */
export interface BuildRoot {
  readonly requirement: string;
  /** The archive, or the release that requires it; for messages. */
  readonly by: string;
  /** Extras of the release that requires it. */
  readonly extras?: readonly string[];
  readonly isOptional?: true;
}

/** pip 23 puts it beside setuptools where no pyproject.toml says otherwise, and setuptools before version 70.1 asks for it. */
const BESIDE_SETUPTOOLS = 'wheel';

// Ours: the largest closures of build backends have some dozens.
const MAX_REQUIREMENTS = 2_000;

/**
 * Everything that builds need, with what that needs in turn: of each requirement the newest release that fits, for each target, no
 * pre-release unless there is nothing else. Requirements are looked at one by one, so where two limit the same project, a release for
 * each is had.
 */
export async function buildClosure(
  roots: readonly BuildRoot[],
  targets: readonly Target[],
  world: BuildWorld,
): Promise<void> {
  const seen = new Set<string>();
  const taken = new Set<string>();
  const queue = [...roots];
  // After all that is required, which it may be as well.
  const optional: BuildRoot[] = [];
  for (let next = queue.shift(); next !== undefined; next = queue.shift() ?? optional.shift()) {
    const need = next.isOptional === undefined ? {} : { isOptional: next.isOptional };
    const asked = `${next.requirement} ${(next.extras ?? []).join(',')} ${next.isOptional ?? false}`;
    if (seen.has(asked)) continue;
    seen.add(asked);
    if (seen.size > MAX_REQUIREMENTS) {
      world.lacks({ name: next.requirement, by: next.by, why: 'too many packages are needed for building' });
      return;
    }
    const requirement = requirementIn(next.requirement);
    if (requirement === undefined) {
      world.lacks({ name: next.requirement.slice(0, 100), by: next.by, why: 'it is not a dependency specifier' });
      continue;
    }
    const { extras } = requirement;
    for (const release of await releasesFor(requirement, next, { targets, world })) {
      const by = `${release.project}-${release.version}`;
      const key = `${by} ${extras.join(',')}`;
      if (taken.has(key)) continue;
      taken.add(key);
      for (const text of await world.take(release)) queue.push({ requirement: text, by, extras, ...need });
      if (release.project === 'setuptools')
        optional.push({ requirement: BESIDE_SETUPTOOLS, by: release.by, isOptional: true });
    }
  }
}

async function releasesFor(
  requirement: Requirement,
  { requirement: text, by, extras = [], isOptional }: BuildRoot,
  { targets, world }: { readonly targets: readonly Target[]; readonly world: BuildWorld },
): Promise<readonly BuildRelease[]> {
  const { project, markerTree } = requirement;
  const need = isOptional === undefined ? {} : { isOptional };
  const applies = (target: Target | undefined): boolean =>
    markerTree === undefined || markerMayHold(markerTree, { target, extras });
  const wanted = (targets.length === 0 ? [undefined] : targets).filter(applies);
  if (wanted.length === 0) return [];
  if (requirement.url !== undefined) {
    world.lacks({ name: project, by, why: 'it is required by address, which cannot be kept for a build', ...need });
    return [];
  }
  const candidates = await world.candidates(project, need);
  if (candidates === undefined) {
    world.lacks({ name: project, by, why: 'no repository of the index has the project', ...need });
    return [];
  }
  const releases = Map.groupBy(candidates, ({ filename }) => distributionOf(filename, project).version ?? '');
  const chosen = new Map<string, Set<string>>();
  for (const target of wanted) {
    const version = newest(requirement, releases, target);
    if (version === undefined) {
      const where = target === undefined ? '' : ` on ${target.text}`;
      world.lacks({ name: project, by, why: `there is no release that fits "${text}"${where}`, ...need });
      continue;
    }
    const filenames = chosen.get(version) ?? new Set();
    for (const { filename } of pick(releases.get(version) ?? [], target)) filenames.add(filename);
    chosen.set(version, filenames);
  }
  return [...chosen].map(([version, filenames]) => ({ project, version, filenames: [...filenames], by, ...need }));
}

function newest(
  requirement: Requirement,
  releases: ReadonlyMap<string, readonly Candidate[]>,
  target: Target | undefined,
): string | undefined {
  const fitting = [...releases]
    .filter(([version, files]) => fulfils(version, requirement.specifier) && pick(files, target).length > 0)
    .map(([version]) => version)
    .sort(compareVersions);
  return fitting.findLast((version) => !isPrerelease(version)) ?? fitting.at(-1);
}

/** The wheels of a release that fit, or else its sdists: what a build would install. */
function pick(files: readonly Candidate[], target: Target | undefined): readonly Candidate[] {
  const usable = files.filter(
    ({ yanked, requiresPython }) =>
      yanked === undefined &&
      (target === undefined || pythonFulfils(`${target.major}.${target.minor}`, requiresPython)),
  );
  const wheels = usable.filter(
    ({ filename }) => filename.endsWith('.whl') && (target === undefined || fitsTargets(filename, [target])),
  );
  return wheels.length > 0 ? wheels : usable.filter(({ filename }) => /\.(?:tar\.gz|zip)$/.test(filename));
}
