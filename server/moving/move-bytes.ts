import type { BlobStore } from '../../storage/blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { appendEvent } from '../catalog/events.ts';
import { findMoveMark, type MoveMark, setMoveMark } from '../catalog/move-marks.ts';
import { type Row, type RowKey, rowKey, rowsOf } from '../catalog/row-pages.ts';
import type { TableShape } from '../catalog/table-shapes.ts';
import type { Clock } from '../clock.ts';
import { BlobCarrier } from './carry-blobs.ts';
import { MoveError } from './errors.ts';
import { FEW_BLOBS, MOST_PASSES, type MoveOutcome, type MoveProgress } from './move.ts';
import { MOVER, whileWritesAreRefused } from './refuse-writes.ts';

export interface MoveBytesParts {
  /** The bare one, that both configurations name. */
  readonly catalog: Catalog;
  readonly from: BlobStore;
  readonly to: BlobStore;
  /** Says which place `to` is; without secrets. */
  readonly place: string;
  /** Of `blob`. */
  readonly table: TableShape;
  readonly spoolDir: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly leaveDamaged?: boolean;
  readonly onProgress?: (progress: MoveProgress) => void;
}

const PAGE_ROWS = 500;
const AT_ONCE = 4;

/**
 * Takes the bytes of a cellar to another store; its rows stay where they are. As `move` does it, but for how it knows what is there: by
 * what the store lists, which only this move has put there. Afterwards writes stay refused until somebody takes them again.
 */
export async function moveBytes(parts: MoveBytesParts): Promise<MoveOutcome> {
  const { catalog, clock } = parts;
  const mark = await begin(parts);
  if (mark.doneAt !== undefined) return { kind: 'moved-before', at: mark.doneAt };
  for (let number = 1; number <= MOST_PASSES; number += 1) {
    const { carrier } = await copyMissing(parts, 'copying', number);
    const { damaged, copied } = carrier;
    if (damaged.length > 0 && parts.leaveDamaged !== true) return { kind: 'damaged', damaged };
    if (copied <= FEW_BLOBS) break;
  }
  return await whileWritesAreRefused({ catalog, clock }, async (): Promise<MoveOutcome> => {
    const pausedAt = clock.nowMs();
    for (let number = 1; number <= MOST_PASSES; number += 1) {
      const { carrier, rows } = await copyMissing(parts, 'finishing', number);
      const { damaged, copied, left } = carrier;
      if (damaged.length > 0 && parts.leaveDamaged !== true) return { kind: 'damaged', damaged };
      // Nothing had to be copied: the store lists every blob with its size.
      if (copied > 0) continue;
      await end(parts, mark, damaged.length);
      const tables = [{ name: 'blob', rows: rows - left - damaged.length }];
      return { kind: 'moved', what: 'bytes', tables, damaged, pausedMs: clock.nowMs() - pausedAt };
    }
    throw new MoveError('The store does not list what was put there.');
  });
}

async function begin({ catalog, to, place, clock }: MoveBytesParts): Promise<MoveMark> {
  const known = await catalog.read(() => findMoveMark('moving-bytes'));
  if (known?.to === place) return known;
  for await (const { digest } of to.list()) {
    throw new MoveError(`The target is in use already: its storage holds blob ${digest}. It has to be empty.`);
  }
  const now = clock.nowMs();
  const mark: MoveMark = { id: String(now), begunAt: now, to: place };
  await catalog.write(() => setMoveMark('moving-bytes', mark, now));
  return mark;
}

/** Walks rows and objects side by side, both in the order of their digests, and copies what the store does not have. */
async function copyMissing(
  parts: MoveBytesParts,
  phase: MoveProgress['phase'],
  pass: number,
): Promise<{ readonly carrier: BlobCarrier; readonly rows: number }> {
  const { catalog, table, to, onProgress } = parts;
  let rows = 0;
  let bytes = 0;
  const tell = (): void => onProgress?.({ phase, pass, rows, blobs: carrier.copied, bytes });
  const onBytes = (count: number): void => {
    bytes += count;
    tell();
  };
  const carrier = new BlobCarrier({ ...parts, isSameStore: false, atOnce: AT_ONCE, onBytes });
  const objects = to.list()[Symbol.asyncIterator]();
  let object = await objects.next();
  let after: RowKey | undefined;
  for (;;) {
    parts.signal.throwIfAborted();
    const from = after;
    const page = await catalog.read(() => rowsOf(table, { after: from }, PAGE_ROWS));
    const missing: Row[] = [];
    for (const row of page) {
      while (object.done !== true && object.value.digest < String(row.digest)) object = await objects.next();
      const isThere = object.done !== true && object.value.digest === row.digest && object.value.size === row.size;
      if (!isThere) missing.push(row);
    }
    for await (const _ of carrier.admit(missing)) tell();
    rows += page.length;
    tell();
    const last = page.at(-1);
    if (page.length < PAGE_ROWS || last === undefined) return { carrier, rows };
    after = rowKey(table, last);
  }
}

async function end({ catalog, clock }: MoveBytesParts, mark: MoveMark, withoutBlobs: number): Promise<void> {
  const now = clock.nowMs();
  await catalog.write(function* () {
    yield* setMoveMark('moving-bytes', { ...mark, doneAt: now }, now);
    const detail = { bytesTo: mark.to, withoutBlobs };
    yield* appendEvent({ kind: 'cellar-moved', actor: MOVER, subject: 'cellar', at: now, detail });
  });
}
