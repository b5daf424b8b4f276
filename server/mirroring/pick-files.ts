import type { DistributionFile, ProjectDetail } from '../model/distribution-file.ts';
import { distributionOf } from '../model/filename.ts';
import { versionKey } from '../model/version.ts';
import type { LockEntry } from './lock.ts';
import { fitsTargets, type Target } from './targets.ts';

export interface PickOptions {
  /** Wheels for these alone; none given: for every platform. */
  readonly targets: readonly Target[];
  /** Also sdists, where the lock does not name files by hash. */
  readonly sdists: boolean;
}

/** A file that a lock needs and the index does not have. */
export interface Unlisted {
  /** Absent when only a hash is known. */
  readonly filename?: string;
  /** One sentence. */
  readonly why: string;
}

/** What an entry comes down to on a project's page. */
export interface Picked {
  readonly files: readonly DistributionFile[];
  readonly unlisted: readonly Unlisted[];
}

/**
 * The files of a page that an entry needs: those with one of its hashes; a pin without hashes needs every file of its version, or
 * those that fit the targets. Files that the lock names and that do not fit the targets are not needed.
 */
export function pickFiles(entry: LockEntry, page: ProjectDetail, options: PickOptions): Picked {
  return entry.hashes.length > 0 ? byHash(entry, page, options) : byVersion(entry, page, options);
}

function byHash(entry: LockEntry, page: ProjectDetail, { targets }: PickOptions): Picked {
  const byDigest = new Map(page.files.map((file) => [file.hashes.sha256, file]));
  const byName = new Map(page.files.map((file) => [file.filename, file]));
  const nameOf = new Map(entry.files.map((file) => [file.sha256, file.filename]));
  const files: DistributionFile[] = [];
  const unlisted: Unlisted[] = [];
  for (const hash of entry.hashes) {
    const filename = nameOf.get(hash);
    const listed = byDigest.get(hash) ?? hashless(filename === undefined ? undefined : byName.get(filename));
    if (listed !== undefined) files.push(listed);
    else if (filename === undefined) unlisted.push({ why: `no file of the project has the sha256 ${hash}` });
    else if (byName.has(filename))
      unlisted.push({ filename, why: 'the index lists this file with another sha256 than the lock' });
    else unlisted.push({ filename, why: 'the index does not list this file' });
  }
  if (targets.length === 0) return { files, unlisted };
  return {
    files: files.filter((file) => fitsTargets(file.filename, targets)),
    unlisted: unlisted.filter(({ filename }) => filename === undefined || fitsTargets(filename, targets)),
  };
}

/** A page without sha256 cannot be searched by it; the bytes are checked when they are fetched. */
function hashless(file: DistributionFile | undefined): DistributionFile | undefined {
  return file !== undefined && file.hashes.sha256 === undefined ? file : undefined;
}

function byVersion(entry: LockEntry, page: ProjectDetail, { targets, sdists }: PickOptions): Picked {
  if (entry.version === undefined) {
    return { files: [], unlisted: [{ why: 'the lock pins no version of it: pin one, or add hashes' }] };
  }
  const release = releaseOf(page, versionKey(entry.version));
  if (release.length === 0)
    return { files: [], unlisted: [{ why: `the index lists no file of version ${entry.version}` }] };
  if (targets.length === 0) return { files: release, unlisted: [] };
  const wheels = release.filter((file) => file.filename.endsWith('.whl') && fitsTargets(file.filename, targets));
  const others = release.filter((file) => distributionOf(file.filename, page.name).kind === 'sdist');
  const needsSdist = sdists || targets.some((target) => !wheels.some((file) => fitsTargets(file.filename, [target])));
  const files = needsSdist ? [...wheels, ...others] : wheels;
  if (files.length > 0) return { files, unlisted: [] };
  return { files: [], unlisted: [{ why: `no file of version ${entry.version} fits the targets` }] };
}

/** PEP 440: a version without a local part, such as `2.1`, is also met by one with it (`2.1+cpu`), where there is none without. */
function releaseOf({ name, files }: ProjectDetail, wanted: string): readonly DistributionFile[] {
  const keyed = files.map((file) => ({ file, key: versionKey(distributionOf(file.filename, name).version ?? '') }));
  const same = keyed.filter(({ key }) => key === wanted);
  const found = same.length > 0 ? same : keyed.filter(({ key }) => key.startsWith(`${wanted}+`));
  return found.map(({ file }) => file);
}
