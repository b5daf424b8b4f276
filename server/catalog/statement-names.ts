const FIRST_NAMED = 3;
const MOST_NAMED = 300;
const MOST_WATCHED = 2000;

/**
 * Decides which statements a server shall keep prepared: those that come again, and not more than it can hold. What is made by
 * scripts has as many texts as there are lengths of lists.
 */
export class StatementNames {
  readonly #names = new Map<string, string>();
  readonly #seen = new Map<string, number>();

  /** The name under which the server keeps `sql`, or `undefined` while it is not worth one. */
  nameOf(sql: string): string | undefined {
    const name = this.#names.get(sql);
    if (name !== undefined || this.#names.size >= MOST_NAMED) return name;
    const times = (this.#seen.get(sql) ?? 0) + 1;
    if (times >= FIRST_NAMED) {
      this.#seen.delete(sql);
      const made = `s${this.#names.size + 1}`;
      this.#names.set(sql, made);
      return made;
    }
    if (this.#seen.size >= MOST_WATCHED) this.#seen.clear();
    this.#seen.set(sql, times);
    return undefined;
  }
}
