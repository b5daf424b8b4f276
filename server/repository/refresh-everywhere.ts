import type { ProjectName } from '../model/project-name.ts';
import type { Reading } from './build.ts';
import type { FirstMatch } from './first-match.ts';

/**
 * Asks every upstream that an index would ask for the name, now; answers their names. A private name, and one that a hosted
 * repository answers for, is asked of none. Throws `upstream-unavailable`, `upstream-timeout`.
 */
export async function refreshEverywhere(reading: Reading, name: ProjectName): Promise<string[]> {
  const asked = await upstreamsAsked(reading, name);
  for (const upstream of asked) await reading.proxied.get(upstream)?.refresh(name);
  return [...asked];
}

/** The upstreams that some index would ask for the name. */
export async function upstreamsAsked(
  { indexes }: Pick<Reading, 'indexes'>,
  name: ProjectName,
): Promise<ReadonlySet<string>> {
  const asked = new Set<string>();
  for (const index of indexes.values()) for (const upstream of await askedBy(index, name)) asked.add(upstream);
  return asked;
}

/** The upstreams that come before a hosted repository that has the name. */
async function askedBy(index: FirstMatch, name: ProjectName): Promise<string[]> {
  const asked: string[] = [];
  for (const { kind, repository } of index.sourcesFor(name)) {
    if (kind === 'upstream') asked.push(repository.name);
    else if ((await repository.state(name, { offline: false })) !== undefined) return asked;
  }
  return asked;
}
