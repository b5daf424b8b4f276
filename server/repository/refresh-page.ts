import type { Catalog } from '../catalog/catalog.ts';
import { findProjectState, type ProjectState } from '../catalog/project-state.ts';
import { findHoldings } from '../catalog/stored-files.ts';
import { areOthersSuspect, findSerial, findUpstreamPage, rememberPage, renewPage } from '../catalog/upstream-pages.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { ProjectDetail } from '../model/distribution-file.ts';
import type { ProjectName } from '../model/project-name.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { addFromFallback, type KnownPage, mergePage } from './known-page.ts';
import type { KnownPages } from './known-pages.ts';
import { parseUpstreamPage } from './parse-page.ts';
import { cannotBeKept, type PassingPages } from './passing-pages.ts';
import type { Turn } from './refresh-turns.ts';

/** How long answers count, milliseconds. */
export interface PageTimes {
  readonly freshForMs: number;
  /** How long an upstream must stay without a file that it had before that is believed. */
  readonly confirmForMs: number;
}

export interface RefreshParts extends PageTimes {
  readonly upstream: Upstream;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Logger;
  readonly maxFiles: number;
  /** Are shown what is kept from now on: whoever asked for it will want it at once. */
  readonly pages: KnownPages;
  /** Are shown what could not be kept of a project that is not known. */
  readonly passing: PassingPages;
  /** When upstream last gave a page that lists files, or confirmed one, milliseconds: then not all of it has vanished. */
  readonly lastListing: { at: number };
}

// Authors delete a release or a project; where so many others have vanished too and no page lists anything, the index is broken.
const OTHERS_GONE = 5;
// What upstream does not have, or has no file of, is asked again soon: it may have been released this minute, or the index be broken.
const ABSENT_FOR_MS = 60_000;
const SOONEST_MS = 1_000;

type Answer = ProjectDetail | { readonly name: ProjectName; readonly absent: true };

/**
 * Asks upstream for a project's page and remembers the answer, all or nothing; an answer that is older than the kept one (by its serial) is
 * held until it has stayed so for `confirmForMs`, and so are vanished files, however long when all that upstream had has vanished with them. Throws
 * `upstream-unavailable`, `upstream-timeout`; what is kept is then untouched. `turn`: where several nodes could ask.
 */
export async function refreshPage(
  parts: RefreshParts,
  name: ProjectName,
  known: ProjectState | undefined,
  { withinMs, finish }: Partial<Turn> = {},
): Promise<void> {
  const { upstream, catalog, clock } = parts;
  const canRevalidate = known?.present === true && known.suspectSince === undefined;
  const page = await upstream.page(name, {
    ...(canRevalidate && known.etag !== undefined ? { etag: known.etag } : {}),
    ...(withinMs === undefined ? {} : { withinMs }),
  });
  const now = clock.nowMs();
  if (page === 'not-modified') {
    parts.lastListing.at = now;
    await catalog.write(function* () {
      yield* renewPage(upstream.name, name, { checkedAt: now, freshUntil: now + parts.freshForMs });
      if (finish !== undefined) yield* finish();
    });
    return;
  }
  if (page === 'absent') {
    await rememberOrPass(parts, { name, absent: true }, { known, finish });
    return;
  }
  const detail = await parseUpstreamPage(name, page, parts);
  const { etag, lastSerial: serial, isFallback = false } = page;
  if (detail.files.length > 0 && !isFallback) parts.lastListing.at = now;
  await rememberOrPass(parts, detail, { known, etag, serial, isFallback, finish });
}

/** Throws also when the answer passes: nothing was remembered. */
async function rememberOrPass(
  parts: RefreshParts,
  answer: Answer,
  { known, ...more }: Parameters<typeof remember>[2] & { readonly known: ProjectState | undefined },
): Promise<void> {
  try {
    await remember(parts, answer, more);
    parts.passing.forget(answer.name);
  } catch (error) {
    if (known?.present !== true && cannotBeKept(error)) {
      const judgement = { now: parts.clock.nowMs(), confirmForMs: parts.confirmForMs, stored: new Set<string>() };
      parts.passing.put(mergePage(undefined, answer, judgement));
    }
    throw error;
  }
}

async function remember(
  parts: RefreshParts,
  answer: Answer,
  more: {
    readonly etag?: string | undefined;
    readonly serial?: number | undefined;
    readonly isFallback?: boolean;
    readonly finish: Turn['finish'] | undefined;
  },
): Promise<void> {
  const { catalog, clock, upstream, log } = parts;
  const { name } = answer;
  const now = clock.nowMs();
  const { suspectSince, kept } = await catalog.write(function* () {
    const before = yield* findProjectState(upstream.name, name);
    const text = before?.present === true ? yield* findUpstreamPage(upstream.name, name) : undefined;
    const known = text === undefined ? undefined : (JSON.parse(text) as KnownPage);
    const keptSerial =
      more.serial === undefined && !more.isFallback ? undefined : yield* findSerial(upstream.name, name);
    const isOlder = keptSerial !== undefined && Number(more.serial) < keptSerial;
    const heldSince = before?.suspectSince ?? now;
    // An edge that is behind: it must not take back a yank or a quarantine. If it stays so, somebody has changed the upstream.
    const isHeld = known !== undefined && isOlder && !more.isFallback && now - heldSince < parts.confirmForMs;
    const isDoubted =
      !listsFiles(answer) &&
      parts.lastListing.at < heldSince &&
      now - heldSince >= parts.confirmForMs &&
      (yield* areOthersSuspect(upstream.name, name, OTHERS_GONE));
    const confirmForMs = isDoubted ? Number.POSITIVE_INFINITY : parts.confirmForMs;
    const stored = known === undefined ? [] : (yield* findHoldings(upstream.name, name)).files.keys();
    const merged = isHeld
      ? { page: known, suspectSince: heldSince, empty: false }
      : known !== undefined && more.isFallback && !('absent' in answer)
        ? addFromFallback(known, answer, now)
        : mergePage(known, answer, { now, confirmForMs, stored: new Set(stored) });
    const body = JSON.stringify(merged.page);
    const isSame = before?.present === !merged.empty && (merged.empty || body === text);
    const revision = yield* rememberPage({
      repository: upstream.name,
      name,
      present: !merged.empty,
      status: merged.page.status,
      statusReason: merged.page.statusReason,
      etag: more.etag,
      serial: isHeld || (known !== undefined && more.isFallback) ? keptSerial : more.serial,
      checkedAt: now,
      freshUntil:
        now +
        freshFor(
          parts,
          merged.page.files.length === 0,
          // What has vanished is for the first address to confirm.
          !more.isFallback && !isDoubted && merged.suspectSince !== undefined ? now - merged.suspectSince : undefined,
        ),
      suspectSince: merged.suspectSince,
      ...(isSame ? {} : { body }),
    });
    if (more.finish !== undefined) yield* more.finish();
    return {
      suspectSince: before?.suspectSince === undefined ? merged.suspectSince : undefined,
      kept: merged.empty ? undefined : { name, revision, page: merged.page, length: body.length },
    };
  });
  if (kept !== undefined) parts.pages.put(kept);
  if (suspectSince !== undefined) {
    log.warn(
      { upstream: upstream.name, project: name },
      'files have vanished from an upstream page, or it is older than the kept one; it is held as suspect',
    );
  }
}

function freshFor({ freshForMs, confirmForMs }: PageTimes, isEmpty: boolean, suspectForMs: number | undefined): number {
  if (isEmpty) return Math.min(freshForMs, ABSENT_FOR_MS);
  if (suspectForMs === undefined) return freshForMs;
  return Math.min(freshForMs, Math.max(SOONEST_MS, confirmForMs - suspectForMs));
}

function listsFiles(answer: Answer): boolean {
  return !('absent' in answer) && answer.files.length > 0;
}
