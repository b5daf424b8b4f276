import type { BlobStat, BlobStore } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import { DOOM_EXPIRES_MS, doomBlobs, forgetBlobs, garbageIn, nextWindow, releaseBlobs } from '../catalog/blobs.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { appendEvent } from '../catalog/events.ts';
import type { Clock } from '../clock.ts';
import type { Actor } from '../model/access.ts';
import { othersTurn } from '../others-turn.ts';
import { adoptOrphans } from './adopt-orphans.ts';

/** How long a blob that nothing refers to is kept: longer than any writer needs between storing it and naming it. */
export const GRACE_MS: number = 24 * 60 * 60_000;

/** A mark is good for so long, half of what writers wait before they ignore it: the rest is for the deletion to get through. */
const MARK_GOOD_MS = DOOM_EXPIRES_MS / 2;
const WINDOW = 200;

interface Collection {
  /** Blobs looked at. */
  readonly checked: number;
  readonly removed: number;
  readonly removedBytes: number;
  /** Blobs without a row that were found in the store; they go once they are older than the grace. */
  readonly adopted: number;
}

export interface CollectionOutcome extends Collection {
  /** Why blobs without a row were left alone. */
  readonly strangersNote?: string;
}

export interface CollectParts {
  readonly catalog: Catalog;
  readonly blobs: Pick<BlobStore, 'delete' | 'list'>;
  readonly clock: Clock;
}

export interface CollectOptions {
  readonly actor: Actor;
  readonly signal: AbortSignal;
  /** Milliseconds; `GRACE_MS` when absent. */
  readonly graceMs?: number;
  readonly onProgress?: (soFar: Collection) => Promise<void>;
}

/**
 * Removes the bytes that nothing refers to, in order: the row is marked, the bytes go, the row goes. May be stopped, or die,
 * between any two steps, and run several times at once; the next run finishes what one has left. The nodes' clocks may differ by
 * some minutes, no more.
 */
export async function collectGarbage(parts: CollectParts, options: CollectOptions): Promise<CollectionOutcome> {
  const { catalog, clock } = parts;
  const { actor, signal, graceMs = GRACE_MS, onProgress } = options;
  const { adopted, ...note } = await adoptOrphans(parts, signal);
  let sum: Collection = { checked: 0, removed: 0, removedBytes: 0, adopted };
  let after = '';
  for (;;) {
    signal.throwIfAborted();
    const window = await catalog.read(() => nextWindow(after, WINDOW));
    if (window === undefined) break;
    after = window.upTo;
    const now = clock.nowMs();
    const ripeness = { storedBefore: now - graceMs, doomedBefore: now - DOOM_EXPIRES_MS };
    const ripe = await catalog.read(() => garbageIn(window, ripeness));
    const marked = ripe.length === 0 ? [] : await catalog.write(() => doomBlobs(ripe, ripeness, now));
    const removed = await remove(parts, marked, now, signal);
    sum = {
      checked: sum.checked + window.count,
      removed: sum.removed + removed.length,
      removedBytes: removed.reduce((bytes, { size }) => bytes + size, sum.removedBytes),
      adopted,
    };
    await onProgress?.(sum);
    await othersTurn();
  }
  if (sum.removed > 0) {
    const { removed, removedBytes } = sum;
    const event = { kind: 'garbage-collected', actor, subject: 'storage', detail: { removed, removedBytes } };
    await catalog.write(() => appendEvent({ ...event, at: clock.nowMs() }));
  }
  return { ...sum, ...note };
}

/** Takes away the bytes of `marked`, then their rows; marks anew what has not had its turn when the mark has become old. */
async function remove(
  parts: CollectParts,
  marked: readonly BlobStat[],
  markedAt: number,
  signal: AbortSignal,
): Promise<readonly BlobStat[]> {
  const { catalog, blobs, clock } = parts;
  const gone: BlobStat[] = [];
  let tried = 0;
  try {
    for (const blob of marked) {
      signal.throwIfAborted();
      if (clock.nowMs() - markedAt >= MARK_GOOD_MS) break;
      tried += 1;
      await blobs.delete(blob.digest);
      gone.push(blob);
    }
  } catch (error) {
    // One whose deletion failed stays marked: the store may still be at it.
    await catalog.write(() => releaseBlobs(digestsOf(marked.slice(tried)), markedAt));
    throw error;
  } finally {
    await catalog.write(() => forgetBlobs(digestsOf(gone), markedAt));
  }
  if (gone.length === marked.length) return gone;
  const now = clock.nowMs();
  const rest = await catalog.write(() => doomBlobs(digestsOf(marked.slice(gone.length)), { doomedAt: markedAt }, now));
  return [...gone, ...(await remove(parts, rest, now, signal))];
}

function digestsOf(blobs: readonly BlobStat[]): readonly Digest[] {
  return blobs.map(({ digest }) => digest);
}
