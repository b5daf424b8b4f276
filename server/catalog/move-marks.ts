import { first, run, type Script } from './catalog.ts';
import { sql } from './schema.ts';

/**
 * What a catalog knows of a move to other engines: `moving-out` at the cellar that is copied, `moving-in` at the copy, `moving-bytes` when
 * the rows stay where they are. `probe` tells whether two catalogs are one.
 */
export interface MoveMark {
  /** The same on both sides. */
  readonly id: string;
  /** Of a move of bytes alone: where they go. */
  readonly to?: string;
  /** Milliseconds. */
  readonly begunAt: number;
  /** Absent: the copy is not whole yet. Milliseconds. */
  readonly doneAt?: number;
}

export type MoveSide = 'moving-out' | 'moving-in' | 'moving-bytes' | 'probe';

export function* findMoveMark(side: MoveSide): Script<MoveMark | undefined> {
  const row = yield* first(sql.selectFrom('cellar_state').select('value').where('name', '=', side));
  return row && (JSON.parse(row.value) as MoveMark);
}

export function* setMoveMark(side: MoveSide, mark: MoveMark, now: number): Script<void> {
  const row = { name: side, value: JSON.stringify(mark), changed_at: now };
  yield* run(
    sql
      .insertInto('cellar_state')
      .values(row)
      .onConflict((conflict) => conflict.column('name').doUpdateSet(row)),
  );
}
