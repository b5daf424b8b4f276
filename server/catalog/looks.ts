import type { Catalog } from './catalog.ts';
import { type Found, look, MOST_WANTED, type Sight, type Wanted } from './look.ts';

/** More statements at once would only make each carry less; with one alone, a line that has fallen silent would hold up all. */
const MOST_UNDER_WAY = 2;

/**
 * Gathers what is wanted at the same time into one statement: those who come while others are under way share the next. So
 * the database is asked once or less a request, however many there are, and what is answered is never older than the call.
 */
export class Looks {
  readonly #catalog: Catalog;
  #underWay = 0;
  readonly #gathering: Gathering[] = [];
  #isBeginning = false;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** What there is of a project in all repositories, and of a file of it. Throws what the catalog throws. */
  async look(wanted: Wanted): Promise<Found> {
    const gathering = this.#join();
    const place = gathering.placeOf(wanted);
    const { found } = await gathering.sight;
    return found[place] as Found;
  }

  /** The present generation of tokens. Throws what the catalog throws. */
  async generation(): Promise<number> {
    return (await this.#join().sight).generation;
  }

  #join(): Gathering {
    const last = this.#gathering.at(-1);
    if (last?.hasRoom) return last;
    const gathering = new Gathering();
    this.#gathering.push(gathering);
    this.#beginSoon();
    return gathering;
  }

  /** After all that has arrived with this turn of the loop. */
  #beginSoon(): void {
    if (this.#isBeginning || this.#underWay >= MOST_UNDER_WAY) return;
    this.#isBeginning = true;
    setImmediate(() => {
      this.#isBeginning = false;
      this.#begin();
    });
  }

  #begin(): void {
    while (this.#underWay < MOST_UNDER_WAY) {
      const gathering = this.#gathering.shift();
      if (gathering === undefined) return;
      this.#underWay += 1;
      void gathering.settleWith(this.#catalog.read(() => look(gathering.wanted))).then(() => {
        this.#underWay -= 1;
        this.#begin();
      });
    }
  }
}

/** Those who wait for one statement. */
class Gathering {
  readonly wanted: Wanted[] = [];
  readonly #places = new Map<string, number>();
  readonly #answer = Promise.withResolvers<Sight>();

  get sight(): Promise<Sight> {
    return this.#answer.promise;
  }

  get hasRoom(): boolean {
    return this.wanted.length < MOST_WANTED;
  }

  /** Where it will be in what is found. */
  placeOf(wanted: Wanted): number {
    const key = wanted.filename === undefined ? wanted.name : `${wanted.name}/${wanted.filename}`;
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const place = this.wanted.push(wanted) - 1;
    this.#places.set(key, place);
    return place;
  }

  settleWith(sight: Promise<Sight>): Promise<void> {
    return sight.then(this.#answer.resolve, this.#answer.reject);
  }
}
