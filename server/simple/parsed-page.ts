import type { DistributionFile, ProjectDetail } from '../model/distribution-file.ts';
import { distributionOf } from '../model/filename.ts';
import type { ProjectName } from '../model/project-name.ts';
import { versionKey } from '../model/version.ts';
import { PageFormatError } from './page-format-error.ts';

/** An upstream's page; each file's `url` is set and absolute. */
export interface ParsedPage extends ProjectDetail {
  /** Entries left out: no usable name or address, or a name that an earlier entry has. */
  readonly dropped: number;
}

/** What is known of a page before it is read. */
export interface PageSource {
  /** The project that was asked for. What the page calls itself is not looked at. */
  readonly name: ProjectName;
  /** The final address after redirects: what relative links are relative to. */
  readonly url: URL;
}

/** Elements of HTML within each other, as browsers have it: the parser takes longer for each element the more are open. */
export const MAX_DEPTH = 512;
// Ours: it is written out for each file.
const MAX_BASE = 2048;

/** The address that relative links are relative to. Throws `PageFormatError` when it is very long. */
export function checkedBase(base: URL): URL {
  if ((URL.parse('.', base.href)?.href.length ?? 0) <= MAX_BASE) return base;
  throw new PageFormatError('the address that its links are relative to is very long');
}

/** Throws `PageFormatError` for a version of the API with an unknown major part, as PEP 629 demands of clients. */
export function checkApiVersion(version: string): void {
  if (/^\s*1(?:\.|\s*$)/.test(version)) return;
  throw new PageFormatError('its API version is not 1.x');
}

/** Keeps the first of the files that share a name. */
export function uniqueFiles(files: readonly DistributionFile[]): readonly DistributionFile[] {
  const names = new Set<string>();
  return files.filter((file) => names.size < names.add(file.filename).size);
}

/** `listed` without duplicates, and after them the versions of files that it lacks. Two spellings of one version count as one. */
export function allVersions(
  name: ProjectName,
  listed: readonly string[],
  files: readonly DistributionFile[],
): readonly string[] {
  const versions = new Set(listed);
  const keys = new Set(listed.map(versionKey));
  const seen = new Set<string>();
  for (const { filename } of files) {
    const { version } = distributionOf(filename, name);
    if (version === undefined || seen.has(version)) continue;
    seen.add(version);
    const key = versionKey(version);
    if (keys.has(key)) continue;
    keys.add(key);
    versions.add(version);
  }
  return [...versions];
}
