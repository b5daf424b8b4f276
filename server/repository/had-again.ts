import type { Catalog } from '../catalog/catalog.ts';
import { findProjectState, type ProjectState } from '../catalog/project-state.ts';
import { findUpstreamPage } from '../catalog/upstream-pages.ts';
import type { DistributionFile } from '../model/distribution-file.ts';
import type { ProjectName } from '../model/project-name.ts';
import type { KnownFile, KnownPage } from './known-page.ts';
import type { Proxied } from './proxied.ts';

/** What an upstream lists of a project, as it said lately. */
export interface Listed {
  /** Of the project, as the catalog had it. */
  readonly revision: number;
  readonly files: ReadonlyMap<string, KnownFile>;
}

/**
 * What upstream lists of a project, which it has said since `since` or is asked now. `undefined`: it does not have the project, has
 * quarantined it, or what it says of it is in doubt; so it is with what an administrator has quarantined. Throws `upstream-unavailable`,
 * `upstream-timeout`.
 */
export async function listedNow(
  catalog: Catalog,
  { upstream, name, since }: { readonly upstream: Upstream; readonly name: ProjectName; readonly since: number },
): Promise<Listed | undefined> {
  let state = await catalog.read(() => findProjectState(upstream.name, name));
  if (!isSure(state)) return undefined;
  if (state.checkedAt < since) {
    await upstream.refresh(name);
    state = await catalog.read(() => findProjectState(upstream.name, name));
    if (!isSure(state)) return undefined;
  }
  const text = await catalog.read(() => findUpstreamPage(upstream.name, name));
  const page = text === undefined ? undefined : (JSON.parse(text) as KnownPage);
  if (page === undefined || page.status === 'quarantined') return undefined;
  return { revision: state.revision, files: new Map(page.files.map((file) => [file.filename, file])) };
}

type Upstream = Pick<Proxied, 'name' | 'refresh'>;

function isSure(state: ProjectState | undefined): state is ProjectState {
  return state?.present === true && state.status !== 'quarantined' && state.suspectSince === undefined;
}

/**
 * Would upstream give the very bytes of a stored file again? Only if it lists the file and promises a hash that they have: of what it
 * promises nothing about, other bytes may come.
 */
export function canBeHadAgain(
  listed: KnownFile | undefined,
  stored: { readonly digest: string; readonly size: number; readonly detail: DistributionFile },
): boolean {
  if (listed?.url === undefined || listed.missingSince !== undefined || listed.removedAt !== undefined) return false;
  if (listed.size !== undefined && listed.size !== stored.size) return false;
  const { sha256 } = listed.hashes;
  if (sha256 !== undefined) return sha256.toLowerCase() === stored.digest;
  // Those of the page were compared with the bytes when they came.
  const promised = Object.entries(listed.hashes).filter(([kind]) => stored.detail.hashes[kind] !== undefined);
  return promised.length > 0 && promised.every(([kind, hash]) => stored.detail.hashes[kind] === hash);
}
