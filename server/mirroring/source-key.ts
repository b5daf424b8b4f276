import { percentDecoded } from '../model/address-path.ts';
import { type ProjectName, projectName } from '../model/project-name.ts';
import type { LockEntry } from './lock.ts';

/** Where a kept archive came from; kept as JSON beside it. */
export interface SourceOrigin {
  readonly kind: 'archive' | 'git';
  readonly url: string;
  /** Of git: what was asked for, and the full commit that it led to. */
  readonly ref?: string;
  readonly commit?: string;
  /** The folder below the top that is built. */
  readonly subdirectory?: string;
  /** What the archive lacks or differs in, sentences. */
  readonly notes: readonly string[];
}

// Ours: keys stand in an index, whose entries databases bound.
const MAX_KEY = 1_800;

/**
 * The URL or VCS requirement of an entry in one spelling: the same requirement is fetched once, whichever lock names it. `undefined` for
 * entries of an index or of a path, and for what is too long to be an address. A version that the lock tells is part of it, since it goes
 * into the archive (`git-archive.ts`).
 */
export function sourceKey(entry: LockEntry): string | undefined {
  const { source, project = '', version } = entry;
  let key: string | undefined;
  if (source.kind === 'archive') key = archiveKey(project, source.url, archiveHashes(entry).join(',') || undefined);
  if (source.kind === 'vcs') {
    key = gitKey(project, { ...source, at: source.commit ?? source.ref ?? 'HEAD', version });
    if (source.system !== 'git') key = undefined;
  }
  return key === undefined || key.length > MAX_KEY ? undefined : key;
}

/** The sha256 digests that an installer would accept of an entry's archive; empty when the lock has none. */
export function archiveHashes({ source, hashes }: LockEntry): readonly string[] {
  const own = source.kind === 'archive' && source.sha256 !== undefined ? [source.sha256] : [];
  return [...new Set([...own, ...hashes])];
}

/** One archive, by its hash when that is known. */
export function archiveKey(project: string, url: string, sha256: string | undefined): string {
  return `${project} @ ${spelt(url)}${sha256 === undefined ? '' : `#sha256=${sha256}`}`;
}

/** A repository at a commit, a branch or a tag. */
export function gitKey(
  project: string,
  what: {
    readonly url: string;
    readonly at: string;
    readonly version?: string | undefined;
    readonly subdirectory?: string | undefined;
    readonly atTop?: true | undefined;
  },
): string {
  const top = what.atTop ? `#top=${what.subdirectory}` : '';
  return `${project} @ git+${spelt(what.url)}@${what.at}${top}${what.version === undefined ? '' : ` ; ${what.version}`}`;
}

/** The address without fragment, as the URL standard spells it. */
function spelt(text: string): string {
  const url = URL.parse(text);
  if (url === null) return text;
  url.hash = '';
  return url.href;
}

/** Project and file name of an address of ours, `…/sources/{project}/{filename}`, whatever the host. */
export function keptAddress(text: string): { readonly project: ProjectName; readonly filename: string } | undefined {
  const match = /^\/(?:.*\/)?sources\/([^/]+)\/([^/]+)$/.exec(URL.parse(text)?.pathname ?? '');
  const project = projectName(percentDecoded(match?.[1] ?? '') ?? '');
  const filename = percentDecoded(match?.[2] ?? '');
  return project === undefined || filename === undefined ? undefined : { project, filename };
}
