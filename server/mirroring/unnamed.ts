import { eachAtOnce } from '../each-at-once.ts';
import { RequirementSyntaxError } from '../model/marker.ts';
import type { ProjectName } from '../model/project-name.ts';
import { parseRequirement, type Requirement } from '../model/requirement.ts';
import type { FirstMatch } from '../repository/first-match.ts';
import type { LockNote } from './lock.ts';
import type { Needed } from './needed.ts';
import { requiresDist } from './offline-world.ts';
import { markerMayHold } from './target-markers.ts';
import type { Target } from './targets.ts';

// Ours: who reads a hundred will not read more.
const MAX_NOTES = 100;
const AT_ONCE = 4;

/** The wheel that was stored for a pin, by project and version. */
export type StoredWheels = ReadonlyMap<ProjectName, string>;

/**
 * What the pins of a requirements file require and the file does not name: an installer would look for it, and in an outage find it or not.
 * Locks of other formats name everything. A dependency for some environments alone is told only when the targets say that it is needed.
 */
export async function unnamedDependencies(
  needed: readonly Needed[],
  what: { readonly index: FirstMatch; readonly wheels: StoredWheels; readonly targets: readonly Target[] },
): Promise<readonly LockNote[]> {
  const named = new Set(needed.flatMap(({ entry }) => entry.project ?? []));
  const notes = new Map<string, LockNote>();
  await eachAtOnce(needed, AT_ONCE, async ({ entry }) => {
    const { project, extras = [], place } = entry;
    const wheel = project === undefined ? undefined : what.wheels.get(project);
    if (project === undefined || wheel === undefined || notes.size >= MAX_NOTES) return;
    const release = { project, filenames: [wheel] };
    for (const text of await requiresDist(what.index, release, { offline: false })) {
      const requirement = parsed(text);
      if (requirement === undefined || named.has(requirement.project)) continue;
      if (!applies(requirement, { extras, targets: what.targets })) continue;
      const detail = `${project} requires ${requirement.project}, which the lock does not name: an install would look for it`;
      notes.set(`${project} ${requirement.project}`, { place, detail });
    }
  });
  return [...notes.values()].slice(0, MAX_NOTES);
}

function applies(
  { markerTree, marker = '' }: Requirement,
  { extras, targets }: { readonly extras: readonly string[]; readonly targets: readonly Target[] },
): boolean {
  if (markerTree === undefined) return true;
  if (targets.length > 0) return targets.some((target) => markerMayHold(markerTree, { target, extras }));
  return !/python|platform|sys|os_|implementation/.test(marker) && markerMayHold(markerTree, { extras });
}

function parsed(text: string): Requirement | undefined {
  try {
    return parseRequirement(text);
  } catch (error) {
    if (error instanceof RequirementSyntaxError) return undefined;
    throw error;
  }
}
