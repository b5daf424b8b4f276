import type { Catalog } from './catalog.ts';
import { type Found, look, MOST_WANTED, type Sight, type Wanted } from './look.ts';

/** More statements at once would only make each carry less; with one alone, a line that has fallen silent would hold up all. */
const MOST_UNDER_WAY = 2;

/** What was found of what one of many wanted. */
export interface Glance {
  /** Of tokens. */
  readonly generation: number;
  readonly found: Found;
}

/**
 * Gathers what is wanted at the same time into one statement: those who come while others are under way share the next. So
 * the database is asked once or less a request, however many there are, and what is answered is never older than the call.
 */
export class Looks {
  readonly #catalog: Catalog;
  readonly #onSight: (wanted: readonly Wanted[], sight: Sight) => void;
  readonly #underWay = new Set<Gathering>();
  readonly #gathering: Gathering[] = [];
  #isBeginning = false;

  /** `onSight` is told what each statement found. */
  constructor(catalog: Catalog, onSight: (wanted: readonly Wanted[], sight: Sight) => void = () => {}) {
    this.#catalog = catalog;
    this.#onSight = onSight;
  }

  /** What there is of a project in all repositories, and of a file of it. Throws what the catalog throws. */
  async look(wanted: Wanted): Promise<Glance> {
    const gathering = this.#join();
    const place = gathering.placeOf(wanted);
    const { generation, found } = await gathering.sight;
    return { generation, found: found[place] as Found };
  }

  /** The present generation of tokens. Throws what the catalog throws. */
  async generation(): Promise<number> {
    return (await this.#join().sight).generation;
  }

  /** Tells all who wait that nothing comes. What is under way may still be told to `onSight`. */
  giveUp(error: Error): void {
    for (const gathering of [...this.#underWay, ...this.#gathering.splice(0)]) gathering.reject(error);
    this.#underWay.clear();
  }

  /** Lets others begin beside those that were under way at the last call already: the connection of those may be dead. */
  passBy(): void {
    for (const gathering of this.#underWay) {
      if (gathering.isLate) this.#underWay.delete(gathering);
      gathering.isLate = true;
    }
    this.#begin();
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
    if (this.#isBeginning || this.#underWay.size >= MOST_UNDER_WAY) return;
    this.#isBeginning = true;
    setImmediate(() => {
      this.#isBeginning = false;
      this.#begin();
    });
  }

  #begin(): void {
    while (this.#underWay.size < MOST_UNDER_WAY) {
      const gathering = this.#gathering.shift();
      if (gathering === undefined) return;
      this.#underWay.add(gathering);
      void this.#run(gathering);
    }
  }

  /** Never rejects. */
  async #run(gathering: Gathering): Promise<void> {
    const { wanted } = gathering;
    try {
      const sight = await this.#catalog.read(() => look(wanted));
      this.#onSight(wanted, sight);
      gathering.resolve(sight);
    } catch (error) {
      gathering.reject(error);
    }
    this.#underWay.delete(gathering);
    this.#begin();
  }
}

/** Those who wait for one statement. */
class Gathering {
  readonly wanted: Wanted[] = [];
  isLate = false;
  readonly sight: Promise<Sight>;
  readonly resolve: (sight: Sight) => void;
  readonly reject: (error: unknown) => void;
  readonly #places = new Map<string, number>();

  constructor() {
    const { promise, resolve, reject } = Promise.withResolvers<Sight>();
    this.sight = promise;
    this.resolve = resolve;
    this.reject = reject;
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
}
