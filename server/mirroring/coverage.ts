import { distributionOf, parseWheelFilename } from '../model/filename.ts';
import type { ProjectName } from '../model/project-name.ts';
import type { Needed } from './needed.ts';
import { markerMayApply } from './target-markers.ts';
import { fitsTargets, type Target } from './targets.ts';

/**
 * The targets on which none of an entry's files could be installed. Where the lock does not tell where the entry is needed, only if some
 * are meant for their system: a project whose wheels are all for other systems (and that has no sdist) is taken to be needed there
 * alone, as locks for all systems list it.
 */
export function uncovered(
  { entry, isUnconditional }: Pick<Needed, 'entry' | 'isUnconditional'>,
  filenames: readonly string[],
  targets: readonly Target[],
): readonly Target[] {
  if (filenames.length === 0) return [];
  return targets.filter(
    (target) =>
      markerMayApply(entry.marker, [target]) &&
      !filenames.some((filename) => fitsTargets(filename, [target])) &&
      (isUnconditional || filenames.some((filename) => isForSystem(filename, target))),
  );
}

function isForSystem(filename: string, { platform }: Target): boolean {
  const wheel = parseWheelFilename(filename);
  return (
    wheel === undefined || wheel.tags.some((tag) => tag.platform === 'any' || system(tag.platform) === system(platform))
  );
}

function system(platform: string): string {
  return /(?:linux|macosx|win)/.exec(platform)?.[0] ?? platform;
}

/** Those of an entry's files that would have to be built: its sdists, unless every target has a wheel and sdists are not asked for. */
export function toBeBuilt<F extends { readonly filename: string }>(
  project: ProjectName,
  files: readonly F[],
  { targets, sdists }: { readonly targets: readonly Target[]; readonly sdists: boolean },
): readonly F[] {
  const archives = files.filter(({ filename }) => distributionOf(filename, project).kind === 'sdist');
  if (archives.length === 0 || sdists) return archives;
  const wheels = files.filter(({ filename }) => filename.endsWith('.whl'));
  const isCovered =
    targets.length === 0
      ? wheels.length > 0
      : targets.every((target) => wheels.some(({ filename }) => fitsTargets(filename, [target])));
  return isCovered ? [] : archives;
}
