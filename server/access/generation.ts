import type { Catalog } from '../catalog/catalog.ts';
import { tokenGeneration } from '../catalog/tokens.ts';

/**
 * The generation of tokens: what is remembered of a token is good for one, and every revocation begins a new one.
 *
 * Alone on its catalog, a process counts for itself: nobody else can revoke. With many nodes on one catalog each use of a
 * remembered token asks for the present number. Askers that wait together share one read, which begins after the last of them
 * asked: so the cost under load is one read at a time, and a revocation is seen by whatever is asked after it.
 */
export class TokenGeneration {
  readonly shared: boolean;
  readonly #read: () => Promise<number>;
  #local = 1;
  #running: Promise<number> | undefined;
  #next: Promise<number> | undefined;

  /** `read`: instead of asking the catalog for the number. */
  constructor(catalog: Catalog, options: { readonly shared: boolean; readonly read?: () => Promise<number> }) {
    this.#read = options.read ?? (() => catalog.read(tokenGeneration));
    this.shared = options.shared;
  }

  /** The number that this process counts; meaningful while `shared` is false. */
  get local(): number {
    return this.#local;
  }

  /** The present number; what it answers is no older than the call. Throws what the catalog throws. */
  current(): Promise<number> {
    if (!this.shared) return Promise.resolve(this.#local);
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  /** Says that this process has revoked something. */
  advance(): void {
    this.#local += 1;
  }

  #start(): Promise<number> {
    this.#next = undefined;
    const read = this.#read().finally(() => {
      if (this.#running === read) this.#running = undefined;
    });
    this.#running = read;
    return read;
  }
}
