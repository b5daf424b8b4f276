import type { ProjectName } from '../model/project-name.ts';
import type { Lock, LockEntry, LockFormat } from './lock.ts';
import { markerMayApply } from './target-markers.ts';
import type { Target } from './targets.ts';

/** An entry that has to be had, with where it stands in the lock. */
export interface Needed {
  /** Position in `lock.entries`. */
  readonly at: number;
  readonly entry: LockEntry;
  /** It only limits what others require, or lies where the lock was made: good to have, but an install may do without. */
  readonly isOptional: boolean;
  /** The lock tells of each entry where it is needed, and of this one that it is everywhere. */
  readonly isUnconditional: boolean;
}

// The others tell it on the way from one package to the next, or only now and then.
const TELLS_CONDITIONS: ReadonlySet<LockFormat> = new Set(['requirements-txt', 'pylock', 'pipfile-lock']);

/**
 * What of a lock has to be had on the targets. A requirement without version and hashes takes those of a constraint (`-c`) on the same
 * project, as pip does. What lies on the machine that made the lock is left out.
 */
export function neededEntries(lock: Lock, targets: readonly Target[]): readonly Needed[] {
  const constraints = new Map<ProjectName, LockEntry>();
  for (const entry of lock.entries)
    if (entry.isConstraint && entry.project !== undefined && !constraints.has(entry.project))
      constraints.set(entry.project, entry);
  const asked = new Set<ProjectName>();
  const needed: Needed[] = [];
  lock.entries.forEach((entry, at) => {
    if (entry.source.kind === 'local' || !markerMayApply(entry.marker, targets)) return;
    const isUnconditional = entry.marker === undefined && TELLS_CONDITIONS.has(lock.format);
    const isOptional = entry.isConstraint === true || entry.isThere === true;
    if (!isOptional && entry.project !== undefined) asked.add(entry.project);
    needed.push({ at, entry: isOptional ? entry : constrained(entry, constraints), isOptional, isUnconditional });
  });
  // Constrained requirements have the constraint's files already.
  return needed.filter(({ entry }) => !entry.isConstraint || entry.project === undefined || !asked.has(entry.project));
}

function constrained(entry: LockEntry, constraints: ReadonlyMap<ProjectName, LockEntry>): LockEntry {
  const isOpen = entry.source.kind === 'index' && entry.version === undefined && entry.hashes.length === 0;
  const limit = isOpen && entry.project !== undefined ? constraints.get(entry.project) : undefined;
  if (limit === undefined) return entry;
  const { version, source, hashes, otherHashes, files } = limit;
  return {
    ...entry,
    source,
    hashes,
    files,
    ...(version === undefined ? {} : { version }),
    ...(otherHashes === undefined ? {} : { otherHashes }),
  };
}
