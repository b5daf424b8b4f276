import type { Digest } from '../../storage/digest.ts';
import type { DistributionFile, ProjectDetail, ProjectStatus } from '../model/distribution-file.ts';
import { distributionOf } from '../model/filename.ts';
import type { ProjectName } from '../model/project-name.ts';
import { versionKey } from '../model/version.ts';
import { Problem } from '../problem.ts';
import type { KnownFile, KnownPage } from './known-page.ts';
import type { Outage, View } from './repository.ts';

/** What is stored of a project. */
export interface Holdings {
  /** Digest and size of each stored file, by file name. */
  readonly files: ReadonlyMap<string, { readonly digest: Digest; readonly size: number }>;
  /** Digest of each core metadata that is kept, by the name of the file it belongs to. */
  readonly metadata: ReadonlyMap<string, Digest>;
}

/**
 * What a project page says in a view: everything upstream lists, or (`offline`) what is stored; in an outage, what is not stored
 * as yanked with the reason, so that an unpinned install takes what can be had and a lock made meanwhile is still whole. Of a
 * project of which nothing is stored, what core metadata are kept of is not: it can be locked again, as what only other platforms need was (ADR 29).
 */
export function viewPage(
  known: KnownPage,
  parts: {
    readonly status: ProjectStatus;
    readonly holdings: Holdings;
    readonly view: View;
    readonly outage: Outage | undefined;
  },
): ProjectDetail {
  const { status, holdings, view, outage } = parts;
  const listed = status === 'quarantined' ? [] : known.files.filter((file) => isInView(file, view, holdings));
  const isLacking =
    !view.offline && (outage !== undefined || listed.some(({ lackedSince }) => lackedSince !== undefined));
  const isNear = isLacking ? whatIsNear(known.name, holdings, view) : () => true;
  const down = outage === undefined ? undefined : { why: whyNotHere(outage.repository, outage.since), isNear };
  const absenceOf = ({ lackedSince }: KnownFile): Absence | undefined => {
    if (view.offline) return undefined;
    return down ?? (lackedSince === undefined ? undefined : { why: whyLacked(lackedSince), isNear });
  };
  const files = listed.map((file) => viewFile(file, holdings, absenceOf(file)));
  const isWhole = files.length === known.files.length;
  // Of a whole page they were gathered when it came.
  const versions = isWhole ? known.versions : versionsOf(known.name, files);
  return {
    name: known.name,
    status,
    versions,
    files,
    ...(known.statusReason === undefined ? {} : { statusReason: known.statusReason }),
    ...(known.extra === undefined ? {} : { extra: known.extra }),
  };
}

/** Was the file uploaded by the instant of the view? One whose time is not known was when it was first seen. */
export function isInTime(file: Pick<DistributionFile, 'uploadTime' | 'seenAt'>, view: View): boolean {
  if (view.at === undefined) return true;
  const at = file.uploadTime === undefined ? (file.seenAt ?? Number.NaN) : Date.parse(file.uploadTime);
  return !Number.isNaN(at) && at <= view.at;
}

/** Throws `file-not-found` for a file that was uploaded later than the instant of the view. */
export function refuseLater(file: Pick<DistributionFile, 'uploadTime' | 'seenAt'>, view: View, filename: string): void {
  if (isInTime(file, view)) return;
  throw new Problem('file-not-found', `${filename} was not there yet at the instant of this view.`);
}

/** Throws `quarantined` for the status of such a project. */
export function refuseQuarantined(status: string): void {
  if (status !== 'quarantined') return;
  throw new Problem('quarantined', 'The project is quarantined: none of its files is served.');
}

/** Why a file cannot be had while its upstream is down; `since` in milliseconds. */
export function whyNotHere(repository: string, since: number): string {
  return `not stored here, and ${repository} has not answered since ${second(since)}`;
}

/** Why a file cannot be had while a fallback that lacks it answers for its upstream; `since` in milliseconds. */
function whyLacked(since: number): string {
  return `not stored here, and the fallback that answers since ${second(since)} does not have it`;
}

function isInView(file: KnownFile, view: View, holdings: Holdings): boolean {
  return isInTime(file, view) && (!view.offline || holdings.files.has(file.filename));
}

/** That a file cannot be had now, as it shows on a page. */
interface Absence {
  readonly why: string;
  /** Is the file left as upstream says it is? */
  isNear(filename: string): boolean;
}

function whatIsNear(name: ProjectName, { files, metadata }: Holdings, view: View): Absence['isNear'] {
  const held = files.size > 0 ? files : metadata;
  if (view.releases !== 'whole') return (filename) => held.has(filename);
  const releaseOf = (filename: string): string => versionKey(distributionOf(filename, name).version ?? filename);
  const releases = new Set([...held.keys()].map(releaseOf));
  return (filename) => releases.has(releaseOf(filename));
}

function viewFile(file: KnownFile, holdings: Holdings, absence: Absence | undefined): DistributionFile {
  const stored = holdings.files.get(file.filename);
  const metadata = holdings.metadata.get(file.filename);
  const isAsUpstreamSays = stored === undefined && metadata === undefined && absence === undefined;
  // Most of thousands of files.
  if (
    isAsUpstreamSays &&
    file.missingSince === undefined &&
    file.removedAt === undefined &&
    file.lackedSince === undefined
  )
    return file;
  const { missingSince: _, lackedSince: _lacked, removedAt, coreMetadata: announced, ...rest } = file;
  const coreMetadata = metadata === undefined ? (stored || absence ? undefined : announced) : { sha256: metadata };
  const yanked = whyYanked(file, absence);
  return {
    ...rest,
    // what is stored is what is served, whatever upstream says of the name by now
    ...(stored === undefined
      ? {}
      : { hashes: { ...sameFile(rest, stored.digest), sha256: stored.digest }, size: stored.size }),
    ...(coreMetadata === undefined ? {} : { coreMetadata }),
    ...(yanked === undefined ? {} : { yanked }),
    ...(removedAt === undefined ? {} : { yanked: `removed upstream on ${day(removedAt)}` }),
  };
}

function sameFile(file: DistributionFile, digest: Digest): DistributionFile['hashes'] {
  return file.hashes.sha256 === undefined || file.hashes.sha256 === digest ? file.hashes : {};
}

function whyYanked(file: KnownFile, absence: Absence | undefined): true | string | undefined {
  if (absence === undefined || absence.isNear(file.filename)) return file.yanked;
  return absence.why;
}

function versionsOf(name: ProjectName, files: readonly DistributionFile[]): string[] {
  const all = new Set<string>();
  for (const file of files) {
    const { version } = distributionOf(file.filename, name);
    if (version !== undefined) all.add(version);
  }
  return [...all];
}

function second(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
