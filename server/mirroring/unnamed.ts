import type { ProjectName } from '../model/project-name.ts';
import { type Requirement, requirementIn } from '../model/requirement.ts';
import type { FirstMatch } from '../repository/first-match.ts';
import type { LockNote } from './lock.ts';
import type { Needed } from './needed.ts';
import { requiresDist } from './offline-world.ts';
import { markerMayHold } from './target-markers.ts';
import type { Target } from './targets.ts';

// Ours: who reads a hundred will not read more.
const MAX_NOTES = 100;

/**
 * What the pins of a requirements file require and the file does not name: an installer would look for it, and in an outage find it or not.
 * Locks of other formats name everything. A dependency for some environments alone is told only when the targets say that it is needed.
 */
export class UnnamedDependencies {
  readonly #index: FirstMatch;
  readonly #targets: readonly Target[];
  readonly #named: ReadonlySet<ProjectName>;
  /** Positions in the lock of the pins that were looked at. */
  readonly #seen = new Set<number>();
  readonly #notes = new Map<string, LockNote & { readonly at: number }>();

  constructor(
    needed: readonly Needed[],
    { index, targets }: { readonly index: FirstMatch; readonly targets: readonly Target[] },
  ) {
    this.#index = index;
    this.#targets = targets;
    this.#named = new Set(needed.flatMap(({ entry }) => entry.project ?? []));
  }

  /** Looks at what a pin requires, by a wheel of it that is stored; at each pin once. Throws what reading throws. */
  async look({ at, entry }: Needed, wheel: string): Promise<void> {
    const { project, extras = [], place } = entry;
    if (project === undefined || this.#seen.has(at) || this.#notes.size >= MAX_NOTES) return;
    const release = { project, filenames: [wheel] };
    for (const text of await requiresDist(this.#index, release, { offline: false })) {
      const requirement = requirementIn(text);
      if (requirement === undefined || this.#named.has(requirement.project)) continue;
      if (!applies(requirement, { extras, targets: this.#targets })) continue;
      const detail = `${project} requires ${requirement.project}, which the lock does not name: an install would look for it`;
      this.#notes.set(`${project} ${requirement.project}`, { at, place, detail });
    }
    this.#seen.add(at);
  }

  /** In the order of the lock. */
  notes(): readonly LockNote[] {
    const inOrder = [...this.#notes.values()].sort((a, b) => a.at - b.at);
    return inOrder.slice(0, MAX_NOTES).map(({ place, detail }) => ({ place, detail }));
  }
}

function applies(
  { markerTree, marker = '' }: Requirement,
  { extras, targets }: { readonly extras: readonly string[]; readonly targets: readonly Target[] },
): boolean {
  if (markerTree === undefined) return true;
  if (targets.length > 0) return targets.some((target) => markerMayHold(markerTree, { target, extras }));
  return !/python|platform|sys|os_|implementation/.test(marker) && markerMayHold(markerTree, { extras });
}
