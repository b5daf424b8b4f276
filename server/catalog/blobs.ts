import type { ExpressionBuilder } from 'kysely';
import type { BlobStat } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import { all, first, prepared, run, type Script } from './catalog.ts';
import { unreferenced } from './garbage.ts';
import { sql, type Tables } from './schema.ts';

/** A mark older than this belongs to a collector that has died: a writer may take the blob over. Milliseconds. */
export const DOOM_EXPIRES_MS: number = 10 * 60_000;

const upsertBlob = prepared((p: { digest: string; size: number; now: number; expired: number }) =>
  sql
    .insertInto('blob')
    .values({ digest: p.digest, size: p.size, stored_at: p.now, doomed_at: null })
    .onConflict((conflict) =>
      conflict
        .column('digest')
        .doUpdateSet({ size: p.size, stored_at: p.now, doomed_at: null })
        .where((eb) => eb.or([eb('blob.doomed_at', 'is', null), eb('blob.doomed_at', '<=', p.expired)])),
    ),
);

/**
 * Keeps garbage collection away from a blob for a day from `now`, and makes its row when there is none. `doomed`: nothing was
 * changed, since the bytes are being removed at this moment; try again in a while. Says nothing about whether the bytes are there.
 */
export function* touchBlob({ digest, size }: BlobStat, now: number): Script<'kept' | 'doomed'> {
  const changes = yield* run(upsertBlob({ digest, size, now, expired: now - DOOM_EXPIRES_MS }));
  return changes > 0 ? 'kept' : 'doomed';
}

/** A stretch of blobs in the order of their digests. */
export interface BlobWindow {
  /** Exclusive; the empty text is the beginning. */
  readonly after: string;
  /** Inclusive. */
  readonly upTo: string;
  /** How many it holds. */
  readonly count: number;
}

/** The next `limit` blobs after `after`, or `undefined` when there is none. */
export function* nextWindow(after: string, limit: number): Script<BlobWindow | undefined> {
  const stretch = sql.selectFrom('blob').select('digest').where('digest', '>', after).orderBy('digest').limit(limit);
  const row = yield* first(
    sql
      .selectFrom(stretch.as('stretch'))
      .select((eb) => [eb.fn.max<string | null>('digest').as('upTo'), eb.fn.countAll<number>().as('count')]),
  );
  return row === undefined || row.upTo === null ? undefined : { after, upTo: row.upTo, count: row.count };
}

/** The blobs of `window` that no collector has marked. */
export function* blobsIn({ after, upTo }: BlobWindow): Script<readonly BlobStat[]> {
  const rows = yield* all(
    sql
      .selectFrom('blob')
      .select(['digest', 'size'])
      .where('digest', '>', after)
      .where('digest', '<=', upTo)
      .where('doomed_at', 'is', null)
      .orderBy('digest'),
  );
  return rows.map(({ digest, size }) => ({ digest: digest as Digest, size }));
}

/** Does any row name the blob? */
export function* referenced(digest: Digest): Script<boolean> {
  const row = yield* first(
    sql
      .selectFrom('blob')
      .select('digest')
      .where('digest', '=', digest)
      .where((eb) => eb.not(unreferenced(eb))),
  );
  return row !== undefined;
}

/** What makes a blob that no row names ripe for removal. */
export interface Ripeness {
  /** Nobody has touched it since. Milliseconds. */
  readonly storedBefore: number;
  /** Or a collector marked it before this time and has not removed it: it has died. */
  readonly doomedBefore: number;
}

/** Blobs in `window` that are garbage and ripe. */
export function* garbageIn({ after, upTo }: BlobWindow, ripeness: Ripeness): Script<readonly Digest[]> {
  const rows = yield* all(
    sql
      .selectFrom('blob')
      .select('digest')
      .where('digest', '>', after)
      .where('digest', '<=', upTo)
      .where(ripe(ripeness))
      .where(unreferenced),
  );
  return rows.map(({ digest }) => digest as Digest);
}

/**
 * Marks those of `digests` that are garbage now, so that their bytes may be removed in the next minutes; answers which. `when`:
 * ripe, or marked by the caller at that time (to have some minutes more).
 */
export function* doomBlobs(
  digests: readonly Digest[],
  when: Ripeness | { readonly doomedAt: number },
  now: number,
): Script<readonly BlobStat[]> {
  if (digests.length === 0) return [];
  const update = sql.updateTable('blob').set({ doomed_at: now }).where('digest', 'in', digests).where(unreferenced);
  const marked = 'doomedAt' in when ? update.where('doomed_at', '=', when.doomedAt) : update.where(ripe(when));
  const rows = yield* all(marked.returning(['digest', 'size']));
  return rows.map(({ digest, size }) => ({ digest: digest as Digest, size }));
}

/** Removes the rows of blobs whose bytes are gone; those that a writer has taken over since stay. Answers how many went. */
export function* forgetBlobs(digests: readonly Digest[], doomedAt: number): Script<number> {
  if (digests.length === 0) return 0;
  return yield* run(sql.deleteFrom('blob').where('digest', 'in', digests).where('doomed_at', '=', doomedAt));
}

/** Takes back the marks that were set at `doomedAt`: the collector that set them will not touch these bytes. */
export function* releaseBlobs(digests: readonly Digest[], doomedAt: number): Script<void> {
  if (digests.length === 0) return;
  const update = sql.updateTable('blob').set({ doomed_at: null });
  yield* run(update.where('digest', 'in', digests).where('doomed_at', '=', doomedAt));
}

/** Those of `digests` that have no row. */
export function* unknownBlobs(digests: readonly Digest[]): Script<readonly Digest[]> {
  if (digests.length === 0) return [];
  const rows = yield* all(sql.selectFrom('blob').select('digest').where('digest', 'in', digests));
  const known = new Set(rows.map(({ digest }) => digest));
  return digests.filter((digest) => !known.has(digest));
}

/** Gives rows to blobs that were found in the store without one: from `now` on they are ordinary blobs that nothing refers to. */
export function* adoptBlobs(blobs: readonly BlobStat[], now: number): Script<number> {
  if (blobs.length === 0) return 0;
  const rows = blobs.map(({ digest, size }) => ({ digest, size, stored_at: now, doomed_at: null }));
  return yield* run(
    sql
      .insertInto('blob')
      .values(rows)
      .onConflict((conflict) => conflict.column('digest').doNothing()),
  );
}

function ripe({ storedBefore, doomedBefore }: Ripeness) {
  return (eb: ExpressionBuilder<Tables, 'blob'>) =>
    eb.or([
      eb.and([eb('blob.doomed_at', 'is', null), eb('blob.stored_at', '<', storedBefore)]),
      eb('blob.doomed_at', '<=', doomedBefore),
    ]);
}
