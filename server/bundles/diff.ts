import type { ContainedDistribution } from '../model/bundle.ts';

/** A distribution that is in one archive only. */
interface OneSided {
  readonly name: string;
  readonly version: string;
}

export interface ContentsDiff {
  readonly added: readonly OneSided[];
  readonly removed: readonly OneSided[];
  readonly changed: readonly { readonly name: string; readonly from: string; readonly to: string }[];
}

/** What differs inside of two archives, by name. Where one holds several versions of a name they stand side by side. */
export function diffContents(
  from: readonly ContainedDistribution[],
  to: readonly ContainedDistribution[],
): ContentsDiff {
  const before = versionsByName(from);
  const after = versionsByName(to);
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  const added: OneSided[] = [];
  const removed: OneSided[] = [];
  const changed: { name: string; from: string; to: string }[] = [];
  for (const name of names) {
    const old = before.get(name);
    const now = after.get(name);
    if (old === undefined && now !== undefined) added.push({ name, version: now });
    else if (now === undefined && old !== undefined) removed.push({ name, version: old });
    else if (old !== undefined && now !== undefined && old !== now) changed.push({ name, from: old, to: now });
  }
  return { added, removed, changed };
}

function versionsByName(distributions: readonly ContainedDistribution[]): Map<string, string> {
  const sets = new Map<string, Set<string>>();
  for (const { name, version } of distributions) {
    sets.set(name, (sets.get(name) ?? new Set()).add(version));
  }
  return new Map([...sets].map(([name, versions]) => [name, [...versions].sort().join(', ')]));
}
