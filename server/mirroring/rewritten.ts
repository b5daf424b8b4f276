import type { Catalog } from '../catalog/catalog.ts';
import { findProjectRows } from '../catalog/holdings.ts';
import { listJobItems } from '../catalog/jobs.ts';
import { findSource, type SourceRecord } from '../catalog/sources.ts';
import type { JobItem } from '../model/job.ts';
import { type ProjectName, projectName } from '../model/project-name.ts';
import { versionKey } from '../model/version.ts';
import type { FirstMatch } from '../repository/first-match.ts';
import { answering } from './answering.ts';
import { keptOtherwise } from './kept-sources.ts';
import {
  folderIn,
  type KnownFile,
  type Lock,
  type LockChanges,
  type LockEntry,
  type LockText,
  lacksHash,
  type NewSource,
} from './lock.ts';
import { fileAt } from './lock-document.ts';
import { rewriteLock } from './lock-formats.ts';
import type { OpenedLock } from './lock-orders.ts';
import { archiveHashes, keptAddress, type SourceOrigin } from './source-key.ts';

/** Where addresses in a lock are to lead. */
export interface RewriteOptions {
  /** `here`: to this server. `canonical`: to where everything came from. */
  readonly urls: 'here' | 'canonical';
  /** Of this server as clients reach it, without a slash at the end. */
  readonly origin: string;
  /** Below `origin`, the index: empty for the default one, `/index/NAME` for others. */
  readonly prefix: string;
  /** The address of an upstream's index, as configured. */
  readonly upstreamUrl: (repository: string) => string | undefined;
}

interface Kept {
  readonly sources: ReadonlyMap<string, SourceRecord>;
  readonly files: ReadonlyMap<string, readonly KnownFile[]>;
}

const ITEMS_AT_ONCE = 1_000;

/** The lock of a job that has succeeded, with every hash, and its addresses changed. Throws `malformed-request` where its text cannot be. */
export async function rewrittenLock(
  opened: OpenedLock,
  job: { readonly id: string; readonly catalog: Catalog },
  options: RewriteOptions,
): Promise<LockText> {
  const { lock, text, index } = opened;
  const kept = await keptByJob(opened, job);
  const sources = new Map<number, NewSource>();
  const files = new Map<number, readonly KnownFile[]>();
  const takesHashes = mayHaveHashes(lock);
  for (const [at, entry] of lock.entries.entries()) {
    const record = kept.sources.get(entry.place) ?? (await keptOtherwise(job.catalog, entry));
    const source = record === undefined ? undefined : newSource(record, entry, options);
    if (source !== undefined) sources.set(at, source);
    if (entry.source.kind !== 'index' || !lacksHash(entry) || !takesHashes) continue;
    files.set(
      at,
      (kept.files.get(releaseKey(entry.project, entry.version)) ?? []).map((file) => ({
        ...file,
        url: fileUrl(entry, file.filename, options),
      })),
    );
  }
  const canonical = options.urls === 'canonical' ? await upstreamUrls(lock.entries, index, options) : undefined;
  const indexes = canonical === undefined ? undefined : await upstreamIndexes(lock.entries, { index, job, options });
  const here = `${options.origin}${options.prefix}/simple/`;
  const changes: LockChanges = {
    sources,
    files,
    withoutLinks: options.urls === 'here',
    fileUrl: (url, entry) => (canonical === undefined ? hereUrl(url, entry, options) : canonical.get(url)),
    indexUrl: (url, project) => {
      if (indexes !== undefined && !isHere(url, options)) return undefined;
      const indexUrl = indexes === undefined ? here : indexes.get(project);
      return url.endsWith('/') ? indexUrl : indexUrl?.replace(/\/$/, '');
    },
  };
  return rewriteLock(text, changes);
}

/**
 * Can the lock bear more hashes? pip wants a hash of every requirement as soon as there is one, and cannot have one of a requirement whose
 * version only a constraint tells.
 */
function mayHaveHashes({ format, entries }: Lock): boolean {
  const isOpen = ({ isConstraint, source, version, hashes }: LockEntry): boolean =>
    !isConstraint && source.kind === 'index' && version === undefined && hashes.length === 0;
  return format !== 'requirements-txt' || !entries.some(isOpen);
}

/** What the job stored: archives by the place of their requirement, and files by project and version where the lock lacks hashes. */
async function keptByJob(
  { lock }: OpenedLock,
  { id, catalog }: { readonly id: string; readonly catalog: Catalog },
): Promise<Kept> {
  const wanted = new Set(
    lock.entries
      .filter((entry) => entry.source.kind === 'index' && lacksHash(entry))
      .map(({ project, version }) => releaseKey(project, version)),
  );
  const sources = new Map<string, SourceRecord>();
  const files = new Map<string, KnownFile[]>();
  let after: string | undefined;
  for (;;) {
    const from = after;
    const filter = { limit: ITEMS_AT_ONCE, ...(from === undefined ? {} : { after: from }) };
    const items = await catalog.read(() => listJobItems(id, filter));
    for (const item of items) {
      const { name, version, filename, sha256, size, place, by, source } = detailOf(item);
      if (item.state === 'failed' || item.state === 'skipped' || filename === undefined || sha256 === undefined)
        continue;
      if (source === true) {
        const project = projectName(name);
        const record = project === undefined ? undefined : await catalog.read(() => findSource(project, filename));
        if (record !== undefined && place !== undefined) sources.set(place, record);
        continue;
      }
      const key = releaseKey(name, version);
      if (by !== undefined || !wanted.has(key)) continue;
      const file = { filename, sha256, url: '', ...(size === undefined ? {} : { size }) };
      files.set(key, [...(files.get(key) ?? []), file]);
    }
    after = items.at(-1)?.key;
    if (items.length < ITEMS_AT_ONCE) return { sources, files };
  }
}

interface ItemDetail {
  readonly name: string;
  readonly version?: string;
  readonly filename?: string;
  readonly sha256?: string;
  readonly size?: number;
  readonly place?: string;
  readonly by?: string;
  readonly source?: true;
}

/** As `mirror-report.ts` wrote it. */
function detailOf(item: JobItem): ItemDetail {
  return item.detail as unknown as ItemDetail;
}

/** `1.0` and `1` are one release (PEP 440), and two lines of a lock may spell it in two ways. */
function releaseKey(project: string | undefined, version: string | undefined): string {
  return `${project} ${version === undefined ? '' : versionKey(version)}`;
}

function newSource(record: SourceRecord, entry: LockEntry, { urls, origin }: RewriteOptions): NewSource | undefined {
  const { source: own } = entry;
  const { filename, digest: sha256, size, project } = record;
  const archive = { kind: 'archive' as const, project, filename, sha256, size };
  const from = JSON.parse(record.origin) as SourceOrigin;
  if (urls === 'here') {
    const url = `${origin}/sources/${project}/${encodeURIComponent(filename)}`;
    const folder = folderIn(own);
    return { ...archive, url, ...(folder === undefined ? {} : { subdirectory: folder }) };
  }
  // What was asked for last has the record; several repositories may have a commit, and several addresses an archive.
  const place =
    own.kind === 'vcs'
      ? own.subdirectory
      : ((own.kind === 'archive' ? own.subdirectory : undefined) ?? from.subdirectory);
  const below = place === undefined ? {} : { subdirectory: place };
  // Installers look for a hash by the name that the address has, which need not be that of the kept archive; no tool locks its size.
  const at = (url: string): NewSource => {
    const { size: _, ...unsized } = archive;
    return { ...unsized, filename: fileAt(url).filename ?? filename, url, ...below };
  };
  if (own.kind === 'archive' && keptAddress(own.url) === undefined)
    return archiveHashes(entry).length > 0 ? undefined : at(own.url);
  if (from.kind === 'archive') return at(from.url);
  if (from.commit === undefined || (own.kind === 'vcs' && own.commit !== undefined)) return undefined;
  const { url, ref } = own.kind === 'vcs' ? own : from;
  return { kind: 'vcs', system: 'git', url, commit: from.commit, ...(ref === undefined ? {} : { ref }), ...below };
}

function fileUrl(entry: LockEntry, filename: string, { origin, prefix }: RewriteOptions): string {
  return `${origin}${prefix}/simple/${entry.project}/${encodeURIComponent(filename)}`;
}

function hereUrl(url: string, entry: LockEntry, options: RewriteOptions): string | undefined {
  if (entry.source.kind !== 'index' || entry.project === undefined) return undefined;
  const filename = entry.files.find((file) => file.url === url)?.filename;
  return filename === undefined ? undefined : fileUrl(entry, filename, options);
}

/** Where the files are at upstream that the lock has at addresses of ours. */
async function upstreamUrls(
  entries: readonly LockEntry[],
  index: FirstMatch,
  options: RewriteOptions,
): Promise<ReadonlyMap<string, string>> {
  const urls = new Map<string, string>();
  for (const { project, files } of entries) {
    const ours = files.filter(({ url }) => url !== undefined && isHere(url, options) && keptAddress(url) === undefined);
    if (ours.length === 0 || project === undefined) continue;
    const page = await pageOf(index, project);
    for (const { url, filename } of ours) {
      const at = page?.find((file) => file.filename === filename)?.url;
      if (url !== undefined && at !== undefined) urls.set(url, at);
    }
  }
  return urls;
}

async function pageOf(index: FirstMatch, project: ProjectName) {
  return (await index.project(project, { offline: false }))?.files;
}

/**
 * The addresses of the indexes that projects come from; a project that was uploaded here comes from none. Under `undefined`: that of a
 * lock that names indexes for no project.
 */
async function upstreamIndexes(
  entries: readonly LockEntry[],
  parts: { readonly index: FirstMatch; readonly job: { readonly catalog: Catalog }; readonly options: RewriteOptions },
): Promise<ReadonlyMap<string | undefined, string>> {
  const { index, job, options } = parts;
  const first = index.sources.find(({ kind }) => kind === 'upstream')?.repository;
  const names = [...new Set(entries.flatMap(({ project }) => project ?? []))];
  const rows = Map.groupBy(await job.catalog.read(() => findProjectRows(names)), ({ name }) => name);
  const urls = new Map<string | undefined, string>();
  for (const project of [undefined, ...names]) {
    const repository = project === undefined ? first : answering(index, project, rows.get(project) ?? []).repository;
    const url = repository === undefined ? undefined : options.upstreamUrl(repository.name);
    if (url !== undefined) urls.set(project, url);
  }
  return urls;
}

function isHere(url: string, { origin }: RewriteOptions): boolean {
  return URL.parse(url)?.origin === new URL(origin).origin;
}
