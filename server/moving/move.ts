import { randomUUID } from 'node:crypto';
import type { BlobStore } from '../../storage/blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { appendEvent } from '../catalog/events.ts';
import { findMoveMark, type MoveMark, setMoveMark } from '../catalog/move-marks.ts';
import { countRows, putRows } from '../catalog/row-pages.ts';
import type { TableShape } from '../catalog/table-shapes.ts';
import type { Clock } from '../clock.ts';
import { BlobCarrier, type Damage } from './carry-blobs.ts';
import { MoveError } from './errors.ts';
import { MOVER, whileWritesAreRefused } from './refuse-writes.ts';
import { syncTable } from './sync-table.ts';

/** Rows and bytes of a cellar. The catalog is the bare one: it writes although the cellar is read-only. */
export interface Cellar {
  readonly catalog: Catalog;
  readonly blobs: BlobStore;
}

/** How far a move has come. */
export interface MoveProgress {
  /** `copying`: the cellar takes writes meanwhile. `finishing`: it does not. */
  readonly phase: 'copying' | 'finishing';
  /** From 1; each looks at everything, and copies what is not there yet. */
  readonly pass: number;
  /** In this pass. */
  readonly rows: number;
  readonly blobs: number;
  readonly bytes: number;
}

export interface MoveParts {
  readonly from: Cellar;
  readonly to: Cellar;
  readonly tables: readonly TableShape[];
  readonly isSameStore: boolean;
  /** A folder of the move's own, for bytes on their way. */
  readonly spoolDir: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Blobs on their way at once; 4 when absent. */
  readonly atOnce?: number;
  /** Ends the move although bytes of some blobs are missing or wrong: the copy then lacks them. */
  readonly leaveDamaged?: boolean;
  readonly onProgress?: (progress: MoveProgress) => void;
}

export type MoveOutcome =
  | { readonly kind: 'moved-before'; readonly at: number }
  /** Nothing was ended: the cellar goes on as before, and the copy waits for the next try. */
  | { readonly kind: 'damaged'; readonly damaged: readonly Damage[] }
  | {
      readonly kind: 'moved';
      /** `bytes`: the rows are where they were. */
      readonly what: 'cellar' | 'bytes';
      readonly tables: readonly { readonly name: string; readonly rows: number }[];
      readonly damaged: readonly Damage[];
      /** For how long writes were refused until the copy was whole, milliseconds. They still are. */
      readonly pausedMs: number;
    };

/** A pass that changed no more than this is soon done again with writes refused. */
const FEW_ROWS = 1_000;
export const FEW_BLOBS: number = 100;
export const MOST_PASSES: number = 5;
const MOST_DAMAGED = 10_000;

interface Pass {
  readonly changed: number;
  readonly postponed: number;
  readonly carrier: BlobCarrier;
}

/**
 * Copies a cellar into an empty one while it is served, then makes it read-only for the last difference, compares, and leaves it
 * so. May be broken off at any instant: the next call with the same two goes on. Throws `MoveError`, and what catalogs and stores
 * throw; then the cellar takes writes again if it did before.
 */
export async function move(parts: MoveParts): Promise<MoveOutcome> {
  const mark = await begin(parts);
  if (mark.doneAt !== undefined) return { kind: 'moved-before', at: mark.doneAt };
  for (let number = 1; ; number += 1) {
    const pass = await copyOnce(parts, 'copying', number);
    const { damaged, copied } = pass.carrier;
    if (damaged.length > 0 && (parts.leaveDamaged !== true || damaged.length > MOST_DAMAGED)) {
      return { kind: 'damaged', damaged };
    }
    if ((pass.changed <= FEW_ROWS && copied <= FEW_BLOBS) || number === MOST_PASSES) break;
  }
  return await finish(parts, mark);
}

/** Finds out whether this is a new move or one to go on with, and marks both sides. */
async function begin({ from, to, tables, isSameStore, clock }: MoveParts): Promise<MoveMark> {
  const out = await from.catalog.read(() => findMoveMark('moving-out'));
  const into = await to.catalog.read(() => findMoveMark('moving-in'));
  if (into !== undefined) {
    if (into.id === out?.id) return into;
    throw new MoveError(
      'The target holds a copy of another cellar, or of this one by another move. It has to be empty.',
    );
  }
  const now = clock.nowMs();
  const mark = out !== undefined && out.doneAt === undefined ? out : { id: randomUUID(), begunAt: now };
  await from.catalog.write(() => setMoveMark('moving-out', mark, now));
  for (const table of tables) {
    const rows = await to.catalog.read(() => countRows(table));
    if (rows > table.seeded)
      throw new MoveError(`The target is in use already: its table ${table.name} has rows. It has to be empty.`);
  }
  for await (const { digest } of isSameStore ? [] : to.blobs.list()) {
    throw new MoveError(`The target is in use already: its storage holds blob ${digest}. It has to be empty.`);
  }
  await to.catalog.write(() => setMoveMark('moving-in', mark, now));
  return mark;
}

/** Whether two catalogs are one and the same, whatever leads to them. */
export async function isSameCatalog(one: Catalog, other: Catalog, clock: Clock): Promise<boolean> {
  const probe = { id: randomUUID(), begunAt: clock.nowMs() };
  await one.write(() => setMoveMark('probe', probe, probe.begunAt));
  return (await other.read(() => findMoveMark('probe')))?.id === probe.id;
}

/** One look at everything. */
async function copyOnce(parts: MoveParts, phase: MoveProgress['phase'], number: number): Promise<Pass> {
  const { from, to, tables, signal, onProgress } = parts;
  let rows = 0;
  let bytes = 0;
  const tell = (): void => onProgress?.({ phase, pass: number, rows, blobs: carrier.copied, bytes });
  const carrier = new BlobCarrier({
    ...parts,
    catalog: from.catalog,
    from: from.blobs,
    to: to.blobs,
    atOnce: parts.atOnce ?? 4,
    onBytes: (count) => {
      bytes += count;
      tell();
    },
  });
  let changed = 0;
  let postponed = 0;
  for (const table of tables) {
    const sync = await syncTable(table, {
      source: from.catalog,
      target: to.catalog,
      signal,
      onRows: (count) => {
        rows += count;
        tell();
      },
      // A row of the copy says that its bytes are there, and were right: so nothing else need be remembered of what was done.
      ...(table.name === 'blob' ? { admit: (some) => carrier.admit(some) } : {}),
    });
    changed += sync.written + sync.removed;
    postponed += sync.postponed;
  }
  return { changed, postponed, carrier };
}

async function finish(parts: MoveParts, mark: MoveMark): Promise<MoveOutcome> {
  const { from, clock } = parts;
  return await whileWritesAreRefused({ catalog: from.catalog, clock }, async (): Promise<MoveOutcome> => {
    const pausedAt = clock.nowMs();
    const last = await settle(parts);
    const { damaged } = last.carrier;
    if (damaged.length > 0 && parts.leaveDamaged !== true) return { kind: 'damaged', damaged };
    const tables = await compareCounts(parts, last.carrier);
    await end(parts, mark, last.carrier);
    return { kind: 'moved', what: 'cellar', tables, damaged, pausedMs: clock.nowMs() - pausedAt };
  });
}

/** Repeats passes over a cellar at rest until one finds every row equal. */
async function settle(parts: MoveParts): Promise<Pass> {
  for (let number = 1; number <= MOST_PASSES; number += 1) {
    const pass = await copyOnce(parts, 'finishing', number);
    if (pass.changed === 0 && pass.postponed === 0) return pass;
  }
  throw new MoveError(
    'The cellar still changes although it is read-only: does a server of an older version run on it?',
  );
}

async function compareCounts({ from, to, tables }: MoveParts, carrier: BlobCarrier) {
  const counts: { name: string; rows: number }[] = [];
  for (const table of tables) {
    const rows = await from.catalog.read(() => countRows(table));
    const keptBack = table.name === 'blob' ? carrier.left + carrier.damaged.length : 0;
    const copied = await to.catalog.read(() => countRows(table));
    if (copied !== rows - keptBack) {
      throw new MoveError(
        `The copy has ${copied} rows in ${table.name} instead of ${rows - keptBack}; nothing was ended.`,
      );
    }
    counts.push({ name: table.name, rows: copied });
  }
  return counts;
}

/** From here on the copy is a cellar of its own. */
async function end({ from, to, tables, clock }: MoveParts, mark: MoveMark, carrier: BlobCarrier): Promise<void> {
  const now = clock.nowMs();
  const done = { ...mark, doneAt: now };
  const blobTable = tables.find(({ name }) => name === 'blob');
  await to.catalog.write(function* () {
    // Verification finds them by their rows, and fetches again what upstream still has.
    if (blobTable !== undefined) yield* putRows(blobTable, carrier.damagedRows);
    yield* setMoveMark('moving-in', done, now);
    const detail = { move: mark.id, withoutBlobs: carrier.damaged.length };
    yield* appendEvent({ kind: 'cellar-moved', actor: MOVER, subject: 'cellar', at: now, detail });
  });
  await from.catalog.write(() => setMoveMark('moving-out', done, now));
}
