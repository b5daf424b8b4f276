import type { CoreMetadata } from '../model/core-metadata.ts';
import type { DistributionFile, ProjectDetail } from '../model/distribution-file.ts';
import { distributionOf } from '../model/filename.ts';
import { isPrerelease, sortVersions, versionKey } from '../model/version.ts';

/** One version of a project with its files. */
export interface Release {
  readonly version: string;
  readonly files: readonly DistributionFile[];
}

/** A project page as releases, ascending by version. Files whose name tells no version are in none. */
export function releasesOf(detail: ProjectDetail): readonly Release[] {
  const releases = new Map<string, { version: string; files: DistributionFile[] }>();
  for (const version of detail.versions) {
    const key = versionKey(version);
    if (!releases.has(key)) releases.set(key, { version, files: [] });
  }
  for (const file of detail.files) {
    const { version } = distributionOf(file.filename, detail.name);
    if (version === undefined) continue;
    const key = versionKey(version);
    const release = releases.get(key);
    if (release === undefined) releases.set(key, { version, files: [file] });
    else release.files.push(file);
  }
  const byVersion = new Map(Array.from(releases.values(), (release) => [release.version, release]));
  return sortVersions(byVersion.keys()).flatMap((version) => byVersion.get(version) ?? []);
}

/**
 * The release that the legacy JSON API describes: the one asked for, in any spelling, else the newest; of the newest those count first that
 * are not yanked, then those that are no pre-release. `undefined`: there is none.
 */
export function describedRelease(releases: readonly Release[], version?: string): Release | undefined {
  if (version !== undefined) {
    const key = versionKey(version);
    return releases.find((release) => versionKey(release.version) === key);
  }
  const filled = releases.filter((release) => release.files.length > 0);
  const usable = filled.filter((release) => !isYanked(release));
  return (
    usable.findLast((release) => !isPrerelease(release.version)) ??
    usable.at(-1) ??
    filled.findLast((release) => !isPrerelease(release.version)) ??
    filled.at(-1) ??
    releases.at(-1)
  );
}

/** The file of a release whose core metadata describes it best: a wheel that announces it, else any that does. */
export function describingFile(release: Release): DistributionFile | undefined {
  const announced = release.files.filter((file) => file.coreMetadata !== undefined);
  return announced.find((file) => file.filename.endsWith('.whl')) ?? announced[0];
}

export interface LegacyDocument {
  readonly detail: ProjectDetail;
  readonly releases: readonly Release[];
  /** What `info` and `urls` are about. */
  readonly release: Release;
  /** `all`: with the key `releases`, as `/{project}/json` has it; `one`: without, as `/{project}/{version}/json`. */
  readonly scope: 'all' | 'one';
  /** Of `release`, when it can be had. */
  readonly metadata?: CoreMetadata;
  /** The absolute address of a file. One client compares it with the address on the project page. */
  readonly fileUrl: (file: DistributionFile) => string;
}

/** The document of the public index's legacy JSON API, UTF-8. Here null stands for what is not known, as clients expect. */
export function renderLegacyJson(document: LegacyDocument): Buffer {
  const { detail, release, releases, scope, fileUrl } = document;
  const files = (of: Release): readonly unknown[] => of.files.map((file) => legacyFile(file, detail, fileUrl));
  return Buffer.from(
    JSON.stringify({
      info: legacyInfo(document),
      // Ours would say nothing to a mirror that compares it with the public index's.
      last_serial: 0,
      ...(scope === 'all' ? { releases: Object.fromEntries(releases.map((each) => [each.version, files(each)])) } : {}),
      urls: files(release),
      vulnerabilities: [],
    }),
  );
}

function legacyInfo({ detail, release, metadata }: LegacyDocument): Record<string, unknown> {
  const yanked = isYanked(release);
  const reason = release.files.map((file) => file.yanked).find((value) => typeof value === 'string');
  const requiresPython =
    metadata?.requiresPython ?? release.files.find((file) => file.requiresPython !== undefined)?.requiresPython;
  return {
    name: metadata?.name ?? detail.name,
    version: release.version,
    summary: metadata?.summary ?? '',
    description: metadata?.description ?? '',
    description_content_type: metadata?.descriptionContentType ?? null,
    keywords: metadata?.keywords ?? '',
    author: metadata?.author ?? '',
    author_email: metadata?.authorEmail ?? '',
    maintainer: metadata?.maintainer ?? '',
    maintainer_email: metadata?.maintainerEmail ?? '',
    license: metadata?.license ?? null,
    license_expression: metadata?.licenseExpression ?? null,
    license_files: listOrNull(metadata?.licenseFiles),
    classifiers: metadata?.classifiers ?? [],
    platform: metadata?.platforms[0] ?? null,
    home_page: metadata?.homePage ?? '',
    download_url: metadata?.downloadUrl ?? '',
    project_urls: listOrNull(metadata?.projectUrls) === null ? null : Object.fromEntries(metadata?.projectUrls ?? []),
    requires_dist: listOrNull(metadata?.requiresDist),
    requires_python: requiresPython ?? null,
    provides_extra: listOrNull(metadata?.providesExtra),
    dynamic: listOrNull(metadata?.dynamic),
    yanked,
    yanked_reason: yanked ? (reason ?? null) : null,
  };
}

function legacyFile(
  file: DistributionFile,
  detail: ProjectDetail,
  fileUrl: (file: DistributionFile) => string,
): Record<string, unknown> {
  const { packagetype, pythonVersion } = distributionOf(file.filename, detail.name);
  return {
    filename: file.filename,
    url: fileUrl(file),
    packagetype,
    python_version: pythonVersion,
    digests: file.hashes,
    md5_digest: file.hashes.md5 ?? null,
    size: file.size ?? null,
    upload_time: file.uploadTime?.slice(0, 19) ?? null,
    upload_time_iso_8601: file.uploadTime ?? null,
    requires_python: file.requiresPython ?? null,
    yanked: file.yanked !== undefined,
    yanked_reason: typeof file.yanked === 'string' ? file.yanked : null,
    has_sig: false,
    comment_text: '',
    downloads: -1,
    'core-metadata': file.coreMetadata ?? false,
  };
}

function isYanked(release: Release): boolean {
  return release.files.length > 0 && release.files.every((file) => file.yanked !== undefined);
}

function listOrNull<T>(list: readonly T[] | undefined): readonly T[] | null {
  return list === undefined || list.length === 0 ? null : list;
}
