import type { Catalog } from '../catalog/catalog.ts';
import { findSource, findSourceByDigest, findSourcesFor, type SourceRecord } from '../catalog/sources.ts';
import { folderIn, type LockEntry } from './lock.ts';
import type { Needed } from './needed.ts';
import { archiveHashes, keptAddress, type SourceOrigin, sourceKey } from './source-key.ts';

/** A URL or VCS requirement and what is kept for it. */
export type KeptSource = { readonly needed: Needed; readonly subdirectory: string | undefined } & (
  | { readonly record: SourceRecord; readonly notes: readonly string[] }
  | { readonly record?: undefined; readonly name: string; readonly why: string }
);

/** What is kept for the URL and VCS requirements among entries. Asks nobody outside. */
export async function findKeptSources(catalog: Catalog, needed: readonly Needed[]): Promise<readonly KeptSource[]> {
  const direct = needed.filter(({ entry }) => entry.source.kind === 'archive' || entry.source.kind === 'vcs');
  const keys = direct.flatMap(({ entry }) => sourceKey(entry) ?? []);
  const byKey = await catalog.read(() => findSourcesFor([...new Set(keys)]));
  const found: KeptSource[] = [];
  for (const each of direct) {
    const { entry } = each;
    const key = sourceKey(entry);
    const record = (key === undefined ? undefined : byKey.get(key)) ?? (await keptOtherwise(catalog, entry));
    const subdirectory = folderIn(entry.source);
    if (record === undefined) found.push({ needed: each, subdirectory, ...lacking(entry) });
    else found.push({ needed: each, subdirectory, record, notes: notesOf(record, entry) });
  }
  return found;
}

/** An archive that is kept already: its address is one of ours, or its project has the bytes from elsewhere. */
export async function keptOtherwise(catalog: Catalog, entry: LockEntry): Promise<SourceRecord | undefined> {
  const { source, project } = entry;
  if (source.kind !== 'archive') return undefined;
  const accepted = archiveHashes(entry);
  if (accepted.length === 0) return undefined;
  const ours = keptAddress(source.url);
  const record = ours === undefined ? undefined : await catalog.read(() => findSource(ours.project, ours.filename));
  if (record !== undefined && accepted.includes(record.digest)) return record;
  if (project === undefined) return undefined;
  for (const sha256 of accepted) {
    const same = await catalog.read(() => findSourceByDigest(project, sha256));
    if (same !== undefined) return same;
  }
  return undefined;
}

/** What the archive that is kept for a requirement lacks, and what the lock must say to be installed from here. */
function notesOf(record: SourceRecord, entry: LockEntry): readonly string[] {
  const { notes } = JSON.parse(record.origin) as SourceOrigin;
  const isOurs = entry.source.kind === 'archive' && keptAddress(entry.source.url) !== undefined;
  if (isOurs) return notes;
  return [...notes, `${record.project} is kept here, and is installed from here by the rewritten lock only`];
}

function lacking({ source, project }: LockEntry): { readonly name: string; readonly why: string } {
  const name = project ?? ('url' in source ? source.url : 'unknown');
  if (source.kind === 'vcs' && source.system !== 'git')
    return { name, why: `${source.system} repositories cannot be kept: use git, or an archive` };
  return { name, why: 'it is not kept here: mirror the lock to fetch it' };
}
