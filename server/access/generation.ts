/**
 * The generation of tokens: what is remembered of a token is good for one, and every revocation begins a new one.
 *
 * Alone on its catalog, a process counts for itself: nobody else can revoke. With many nodes on one catalog each use of a
 * remembered token asks for the present number, so that a revocation is seen by whatever is asked after it.
 */
export class TokenGeneration {
  readonly #read: (() => Promise<number>) | undefined;
  #local = 1;

  /** `read`: asks the catalog that nodes share for the number; what it answers is no older than the call. */
  constructor(options: { readonly read?: (() => Promise<number>) | undefined } = {}) {
    this.#read = options.read;
  }

  /** Do others revoke as well? */
  get shared(): boolean {
    return this.#read !== undefined;
  }

  /** The number that this process counts; meaningful while `shared` is false. */
  get local(): number {
    return this.#local;
  }

  /** The present number. Throws what the catalog throws. */
  async current(): Promise<number> {
    return this.#read === undefined ? this.#local : await this.#read();
  }

  /** Says that this process has revoked something. */
  advance(): void {
    this.#local += 1;
  }
}
