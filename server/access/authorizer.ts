import type { Action, Principal, Resource } from '../model/access.ts';

/** Who somebody is, and whether they may. */
export interface Authorizer {
  /**
   * Who presents this `Authorization` header; the anonymous principal when there is none. `address` is the client's, for the
   * limit on failed attempts. Throws `invalid-credentials`, `rate-limited`.
   */
  identify(authorization: string | undefined, address: string): Promise<Principal>;
  /**
   * The same from memory alone, for the hot path: `undefined` when it would take a look at the catalog, or a refusal. `generation`: of
   * tokens, where it has been read since the request came.
   */
  known(authorization: string | undefined, generation?: number): Principal | undefined;
  /** May `who` do it? For lists that show to each what it may see. */
  allows(who: Principal, action: Action, on: Resource): boolean;
  /** Returns if allowed. Throws `credentials-required` (anonymous) or `forbidden`. */
  authorize(who: Principal, action: Action, on: Resource): void;
}
