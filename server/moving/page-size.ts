import type { Row } from '../catalog/row-pages.ts';

const MOST_ROWS = 500;
const FIRST_ROWS = 16;
const PAGE_BYTES = 4 * 1024 * 1024;

/** How many rows to ask for at once, so that a page of large ones stays small in memory. */
export class PageSize {
  #limit = FIRST_ROWS;

  get limit(): number {
    return this.#limit;
  }

  /** Takes the size of the rows that came for that of those that will. */
  learn(rows: readonly Row[]): void {
    if (rows.length === 0) return;
    let bytes = 0;
    for (const row of rows) {
      for (const value of Object.values(row)) bytes += typeof value === 'string' ? value.length : 8;
    }
    const fitting = Math.floor((PAGE_BYTES * rows.length) / Math.max(1, bytes));
    // Growing slowly, since what comes may be larger than what came.
    this.#limit = Math.max(1, Math.min(MOST_ROWS, fitting, this.#limit * 4));
  }
}
