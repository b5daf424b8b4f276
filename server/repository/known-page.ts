import type { DistributionFile, ProjectDetail, ProjectStatus } from '../model/distribution-file.ts';
import type { ProjectName } from '../model/project-name.ts';
import { allVersions } from '../simple/parsed-page.ts';

/** A file of an upstream's page, with what became of it since. */
export interface KnownFile extends DistributionFile {
  /** Upstream's page has been without it since then, milliseconds; not yet believed. */
  readonly missingSince?: number;
  /** A fallback answers for the first address, and lacks it, since then, milliseconds. */
  readonly lackedSince?: number;
  /** It was stored here when its removal was believed; milliseconds of when it vanished. */
  readonly removedAt?: number;
}

/** The last good page of an upstream's project as we keep it (`upstream_page.body`). */
export interface KnownPage {
  readonly name: ProjectName;
  readonly status: ProjectStatus;
  readonly statusReason?: string;
  /** Versions that upstream names, with or without files. */
  readonly versions: readonly string[];
  readonly files: readonly KnownFile[];
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** How removals are judged. */
export interface Judgement {
  readonly now: number;
  /** A file must stay away for so long before that is believed, milliseconds. */
  readonly confirmForMs: number;
  /** Names of the files of this project whose bytes are stored. */
  readonly stored: ReadonlySet<string>;
}

export interface Merged {
  readonly page: KnownPage;
  /** Since when the oldest removal that is not yet believed has been seen. */
  readonly suspectSince: number | undefined;
  /** Nothing is left that could be listed: as good as never known. */
  readonly empty: boolean;
}

/**
 * The page to keep after upstream answered `answer` (`absent`: 404). What is new counts at once; a file that is gone stays as it
 * was until it has been gone for `confirmForMs`, since an index that is broken and an author who deleted look the same. Then it
 * stays listed as removed if it is stored here, so that pins still install, and is dropped otherwise. A quarantine empties
 * upstream's page on purpose (PEP 792): it counts at once, and the files are kept for the day it ends.
 */
export function mergePage(
  before: KnownPage | undefined,
  answer: ProjectDetail | { readonly name: ProjectName; readonly absent: true },
  judgement: Judgement,
): Merged {
  const fresh = 'absent' in answer ? emptied(answer.name, before) : seenBy(judgement.now, answer, before);
  const status = fresh.status ?? 'active';
  const gone = (before?.files ?? []).filter(missingFrom(fresh.files)).map(({ lackedSince: _, ...file }) => file);
  const kept = status === 'quarantined' ? gone : gone.map((file) => judge(file, judgement)).filter(isKept);
  const files = kept.length === 0 ? fresh.files : [...fresh.files, ...kept];
  const missing = kept.flatMap((file) => (file.missingSince === undefined ? [] : [file.missingSince]));
  const named = missing.length === 0 ? fresh.versions : [...new Set([...fresh.versions, ...(before?.versions ?? [])])];
  // Upstream names those of the files that it lists. PEP 700: every file's version is there.
  const versions = kept.length === 0 ? named : allVersions(fresh.name, named, kept);
  const page: KnownPage = {
    name: fresh.name,
    status,
    versions,
    files,
    ...(fresh.statusReason === undefined ? {} : { statusReason: fresh.statusReason }),
    ...(fresh.extra === undefined ? {} : { extra: fresh.extra }),
  };
  return {
    page,
    suspectSince: missing.length === 0 ? undefined : Math.min(...missing),
    empty: 'absent' in answer && files.length === 0,
  };
}

/**
 * The page to keep after a fallback of the upstream answered. It may be behind, lack files, and tell less of them than the first address: it
 * adds files, and may yank and quarantine; nothing else that is known changes by it, but that the files which it lacks cannot be had now.
 */
export function addFromFallback(before: KnownPage, answer: ProjectDetail, now: number): Merged {
  const fresh = seenBy(now, answer, before);
  const there = new Map(fresh.files.map((file) => [file.filename, file]));
  const files = before.files.map(({ lackedSince = now, ...file }): KnownFile => {
    const listed = there.get(file.filename);
    if (listed === undefined) return { ...file, lackedSince };
    there.delete(file.filename);
    const yanked = file.yanked ?? listed.yanked;
    return yanked === undefined ? file : { ...file, yanked };
  });
  const added = [...there.values()];
  const named = [...new Set([...before.versions, ...fresh.versions])];
  const missing = files.flatMap((file) => (file.missingSince === undefined ? [] : [file.missingSince]));
  const { statusReason } = fresh;
  const page: KnownPage = {
    ...before,
    ...(fresh.status === 'quarantined'
      ? { status: fresh.status, ...(statusReason === undefined ? {} : { statusReason }) }
      : {}),
    versions: added.length === 0 ? named : allVersions(before.name, named, added),
    files: [...files, ...added],
  };
  return { page, suspectSince: missing.length === 0 ? undefined : Math.min(...missing), empty: false };
}

/** What is known without files: who has no page says nothing else of the project. */
function emptied(name: ProjectName, before: KnownPage | undefined): ProjectDetail {
  return { ...before, name, versions: [], files: [] };
}

/** Of files whose upload time upstream does not tell, when they were seen first. */
function seenBy(now: number, fresh: ProjectDetail, before: KnownPage | undefined): ProjectDetail {
  if (fresh.files.every((file) => file.uploadTime !== undefined)) return fresh;
  const seen = new Map((before?.files ?? []).map((file) => [file.filename, file.seenAt]));
  const files = fresh.files.map((file) =>
    file.uploadTime === undefined ? { ...file, seenAt: seen.get(file.filename) ?? now } : file,
  );
  return { ...fresh, files };
}

function missingFrom(files: readonly DistributionFile[]): (file: KnownFile) => boolean {
  const names = new Set(files.map((file) => file.filename));
  return (file) => !names.has(file.filename);
}

function isKept(file: KnownFile | undefined): file is KnownFile {
  return file !== undefined;
}

function judge(file: KnownFile, { now, confirmForMs, stored }: Judgement): KnownFile | undefined {
  if (file.removedAt !== undefined) return file;
  const since = file.missingSince ?? now;
  if (now - since < confirmForMs) return { ...file, missingSince: since };
  if (!stored.has(file.filename)) return undefined;
  const { missingSince: _, ...rest } = file;
  return { ...rest, removedAt: since };
}
