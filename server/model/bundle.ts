import type { Digest } from '../../storage/digest.ts';
import { Problem } from '../problem.ts';
import { parseVersion, versionOrderKey } from './version.ts';

/** Name of an application; case matters. */
export type AppName = string & { readonly __brand: 'AppName' };
/** Name of a channel, without the `@`; lower case. Never `latest`. */
export type ChannelName = string & { readonly __brand: 'ChannelName' };
/** Version of an application, exactly as it was sent; not necessarily PEP 440. */
export type BundleVersionText = string & { readonly __brand: 'BundleVersionText' };
/** File name of a bundle's archive: safe in a path, a URL and a header. */
export type BundleFilename = string & { readonly __brand: 'BundleFilename' };

/** The channel that always exists: the newest version. */
export const LATEST = 'latest';

/** A distribution found inside of an archive. */
export interface ContainedDistribution {
  /** Normalised (PEP 503). */
  readonly name: string;
  /** As its metadata have it. */
  readonly version: string;
  /** The folder it was found in: the path of its `*.dist-info` or `*.egg-info` inside of the archive. */
  readonly path: string;
}

/** What is inside of an archive: the distributions, or why they are not known. */
export type ArchiveContents =
  | { readonly distributions: readonly ContainedDistribution[] }
  | {
      readonly distributions: null;
      /** A sentence's worth for people, such as `unreadable: the archive is cut short`. */
      readonly note: string;
    };

/** Of an archive that is stored and not looked into yet; some node, or a job, will. */
export const BEING_READ: { readonly distributions: null; readonly note: string } = {
  distributions: null,
  note: 'being read',
};

/** Of an archive that was to be looked into when somebody gave that up: nobody will, unless its bytes are sent again. */
export const READING_CANCELLED: { readonly distributions: null; readonly note: string } = {
  distributions: null,
  note: 'unknown: to read it was given up; it is read when the same bytes are pushed again',
};

/** Has nobody looked yet, whether or not somebody will? */
export function areUnread(contents: ArchiveContents): boolean {
  return areBeingRead(contents) || (contents.distributions === null && contents.note === READING_CANCELLED.note);
}

/** Will the contents be known later? */
export function areBeingRead(contents: ArchiveContents): boolean {
  return contents.distributions === null && contents.note === BEING_READ.note;
}

/** What somebody said of a version when it was uploaded. */
export interface BundleLabels {
  readonly commit?: string;
  readonly tag?: string;
  readonly buildUrl?: string;
}

/** One immutable version of an application. */
export interface BundleVersion extends BundleLabels {
  readonly app: AppName;
  readonly version: BundleVersionText;
  readonly filename: BundleFilename;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly contentType: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Name of the token that uploaded it. */
  readonly createdBy: string;
  /** A pre-release by PEP 440. */
  readonly prerelease: boolean;
  readonly contents: ArchiveContents;
}

export type MoveKind = 'promote' | 'forced' | 'rollback';

/** One move of a channel. */
export interface ChannelMove {
  /** 1 for a channel's first move. */
  readonly seq: number;
  /** `null`: the channel began with this move. */
  readonly from: BundleVersionText | null;
  readonly to: BundleVersionText;
  readonly kind: MoveKind;
  readonly by: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly why: string | null;
  /** A later rollback took this promotion back. */
  readonly undone: boolean;
}

/** How many versions of an application stay. */
export interface Retention {
  /** Those uploaded last; `null` keeps all. */
  readonly keep: number | null;
  /** Those that each channel pointed to last, besides. */
  readonly keepPerChannel: number | null;
}

/** A version that retention would take away, or has taken. */
export interface Expired {
  readonly version: BundleVersionText;
  /** Bytes; they are freed by garbage collection. */
  readonly size: number;
  readonly createdAt: number;
}

/** A version that holds what was looked for. */
export interface Holder {
  readonly app: AppName;
  readonly version: BundleVersionText;
  readonly filename: string;
  readonly digest: string;
  readonly createdAt: number;
  /** Channels that point to it now. */
  readonly channels: readonly string[];
  /** Versions of the distribution that it holds, when a distribution was looked for. */
  readonly holds?: readonly string[];
  /** Whether the archive itself has the digest, or the lock that came with it names it, when a digest was looked for. */
  readonly by?: 'archive' | 'lock';
}

// Names stand in paths, headers and on command lines: no blank, no quote, no `@`, never `.` or `..`.
const NAME = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$/;
const CHANNEL = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/;
const VERSION = /^[A-Za-z0-9][A-Za-z0-9._+!~-]{0,127}$/;
const FILENAME = /^[A-Za-z0-9_][A-Za-z0-9._+!~-]{0,199}$/;
/** Second segments of the address that are no versions. */
const NO_VERSIONS: ReadonlySet<string> = new Set(['channels', 'diff', 'retention', LATEST]);
/** Third segments of the address that are no file names. */
const NO_FILENAMES: ReadonlySet<string> = new Set(['sbom', 'lock', 'sha256', 'download']);

/** Throws `invalid-bundle-name`. */
export function parseAppName(text: string): AppName {
  return checked(text, NAME.test(text), 'an application name') as AppName;
}

/** Throws `invalid-bundle-name`, also for `latest`, which nobody moves. */
export function parseChannelName(text: string): ChannelName {
  if (CHANNEL.test(text) && text !== LATEST) return text as ChannelName;
  throw new Problem(
    'invalid-bundle-name',
    'This is not the name of a channel that can be moved: lower-case letters, digits and . _ - are allowed, a letter or digit at both ends, and not "latest".',
  );
}

/** Throws `invalid-bundle-name`, also for words that are taken: `channels`, `diff`, `retention`, `latest`. */
export function parseBundleVersionText(text: string): BundleVersionText {
  return checked(text, VERSION.test(text) && !NO_VERSIONS.has(text), 'a version of a bundle') as BundleVersionText;
}

/** Throws `invalid-bundle-name`, also for words that are taken: `sbom`, `lock`, `sha256`, `download`. */
export function parseBundleFilename(text: string): BundleFilename {
  return checked(text, FILENAME.test(text) && !NO_FILENAMES.has(text), 'a file name for a bundle') as BundleFilename;
}

/**
 * Digits and letters a to f whose text order, in any collation, is the order of versions: PEP 440, and below it everything that
 * does not follow it, all of that equal (time decides).
 */
export function bundleSortKey(version: string): string {
  if (parseVersion(version) === undefined) return LOWEST_SORT_KEY;
  return Buffer.from(versionOrderKey(version), 'latin1').toString('hex');
}

/** The sort key of versions that do not follow PEP 440; below every other. */
export const LOWEST_SORT_KEY = '0';

/** Is it a pre-release or a development release by PEP 440? Other versions are not. */
export function isBundlePrerelease(version: string): boolean {
  return parseVersion(version)?.isPrerelease ?? false;
}

function checked(text: string, isValid: boolean, what: string): string {
  if (isValid) return text;
  throw new Problem(
    'invalid-bundle-name',
    `This is not ${what}: letters, digits and . _ + - are allowed, the first a letter or digit; some words are taken.`,
  );
}
