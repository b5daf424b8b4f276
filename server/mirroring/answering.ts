import type { ProjectRow } from '../catalog/holdings.ts';
import type { ProjectName } from '../model/project-name.ts';
import type { FirstMatch } from '../repository/first-match.ts';
import type { Repository } from '../repository/repository.ts';

/** Which repository of an index answers for a project while no upstream can be asked, or why none does. */
export type Answering =
  | { readonly repository: Repository; readonly isQuarantined: boolean; readonly why?: undefined }
  | { readonly repository?: undefined; readonly why: string };

/**
 * As `FirstMatch` goes about it in an outage, from rows alone: the first that knows the project; an upstream that was never asked for the
 * name ends the search, since what it would say cannot be known.
 */
export function answering(index: FirstMatch, name: ProjectName, rows: readonly ProjectRow[]): Answering {
  const sources = index.sourcesFor(name);
  for (const { kind, repository } of sources) {
    const row = rows.find((each) => each.repository === repository.name);
    if (row?.present === true) return { repository, isQuarantined: row.status === 'quarantined' };
    if (kind === 'upstream' && row === undefined)
      return { why: `${repository.name} was never asked for the project: mirror the lock, or ask for it once` };
  }
  const isPrivate = sources.length < index.sources.length;
  return {
    why: isPrivate
      ? 'the name is private, and nothing was uploaded under it'
      : 'no repository of the index has the project',
  };
}
