import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Catalog } from '../catalog/catalog.ts';
import { findTokenByHash } from '../catalog/tokens.ts';
import type { Clock } from '../clock.ts';
import type { GatheredTimes } from '../gathered-times.ts';
import type { Action, Principal, Resource } from '../model/access.ts';
import { Problem } from '../problem.ts';
import type { Authorizer } from './authorizer.ts';
import { presentedSecret } from './credentials.ts';
import type { FailedAttempts } from './failed-attempts.ts';
import type { TokenGeneration } from './generation.ts';
import { allows } from './grants.ts';
import { hashSecret, parseTokenSecret, sameHash } from './token.ts';

/** What a `TokenAuthorizer` works with. */
export interface TokenAuthorizerParts {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly generation: TokenGeneration;
  readonly lastUsed: GatheredTimes;
  readonly failedAttempts: FailedAttempts;
  /** What everybody may do, with or without a token. */
  readonly anonymous: readonly Action[];
  /** A secret of at least 20 characters that is an admin token for as long as it is set. */
  readonly bootstrapToken?: string;
}

interface Identified {
  readonly principal: Principal;
  /** The generation in which it was read; without one it does not come from the catalog. */
  readonly generation?: number;
}

const BOOTSTRAP: Principal = { kind: 'token', name: 'bootstrap', can: ['admin'] };
const BOOTSTRAP_MIN_LENGTH = 20;
const REMEMBERED = 10_000;

/** Knows people by their tokens, presented by Basic or Bearer. */
export class TokenAuthorizer implements Authorizer {
  readonly #parts: TokenAuthorizerParts;
  readonly #anonymous: Principal;
  readonly #bootstrapHash: string | undefined;
  /** By SHA-256 of the header, so that no secret stays in memory. */
  readonly #remembered = new LRUCache<string, Identified>({ max: REMEMBERED });

  /** Throws `RangeError` when the bootstrap token is too short to be one. */
  constructor(parts: TokenAuthorizerParts) {
    const { bootstrapToken } = parts;
    if (bootstrapToken !== undefined && bootstrapToken.length < BOOTSTRAP_MIN_LENGTH) {
      throw new RangeError(`the bootstrap token needs at least ${BOOTSTRAP_MIN_LENGTH} characters`);
    }
    this.#parts = parts;
    this.#anonymous = { kind: 'anonymous', name: 'anonymous', can: parts.anonymous };
    this.#bootstrapHash = bootstrapToken === undefined ? undefined : hashSecret(bootstrapToken);
  }

  known(authorization: string | undefined, generation?: number): Principal | undefined {
    if (authorization === undefined) return this.#anonymous;
    const { shared, local } = this.#parts.generation;
    const entry = this.#remembered.get(keyOf(authorization));
    if (entry?.generation !== undefined && entry.generation !== (shared ? generation : local)) return undefined;
    return entry && this.#use(entry.principal);
  }

  async identify(authorization: string | undefined, address: string): Promise<Principal> {
    const known = this.known(authorization);
    if (known !== undefined || authorization === undefined) return known ?? this.#anonymous;
    // Read before the token is: a revocation in between makes what is remembered too old, never too young.
    const generation = await this.#parts.generation.current();
    const principal = this.known(authorization, generation) ?? (await this.#look(authorization, generation));
    if (principal === undefined) {
      this.#remembered.delete(keyOf(authorization));
      throw await this.#refusal(address);
    }
    return principal;
  }

  allows(who: Principal, action: Action, on: Resource): boolean {
    return allows(who, action, on) || allows(this.#anonymous, action, on);
  }

  authorize(who: Principal, action: Action, on: Resource): void {
    if (this.allows(who, action, on)) return;
    if (who.kind === 'anonymous') {
      throw new Problem('credentials-required', 'This needs a token: as the password of HTTP Basic, or as Bearer.');
    }
    throw new Problem('forbidden', `This token does not allow it: ${needed(who, action, on)} is needed.`);
  }

  async #look(authorization: string, generation: number): Promise<Principal | undefined> {
    const key = keyOf(authorization);
    const presented = presentedSecret(authorization);
    if (presented === undefined) return undefined;
    const secretHash = hashSecret(presented);
    if (this.#bootstrapHash !== undefined && sameHash(secretHash, this.#bootstrapHash)) {
      this.#remembered.set(key, { principal: BOOTSTRAP });
      return BOOTSTRAP;
    }
    if (parseTokenSecret(presented) === undefined) return undefined;
    const token = await this.#parts.catalog.read(() => findTokenByHash(secretHash));
    if (token === undefined) return undefined;
    const { kind, name, id: tokenId, can, projects, apps, expiresAt } = token;
    const limits = { ...(projects && { projects }), ...(apps && { apps }) };
    const principal: Principal = { kind, name, tokenId, can, ...limits, ...(expiresAt !== undefined && { expiresAt }) };
    const used = this.#use(principal);
    if (used !== undefined) this.#remembered.set(key, { principal, generation });
    return used;
  }

  /** The principal, noted as seen now, unless its time is over. */
  #use(principal: Principal): Principal | undefined {
    const now = this.#parts.clock.nowMs();
    if (principal.expiresAt !== undefined && principal.expiresAt <= now) return undefined;
    if (principal.tokenId !== undefined) this.#parts.lastUsed.note(principal.tokenId, now);
    return principal;
  }

  async #refusal(address: string): Promise<Problem> {
    const retryAfter = await this.#parts.failedAttempts.count(address);
    if (retryAfter === undefined) {
      return new Problem('invalid-credentials', 'The token is not known here: it may be mistyped, expired or revoked.');
    }
    const detail =
      'There were too many requests with credentials that are not valid. Those with valid ones are answered.';
    return new Problem('rate-limited', detail, { retryAfter });
  }
}

function keyOf(authorization: string): string {
  return hash('sha256', authorization, 'base64');
}

function needed(who: Principal, action: Action, on: Resource): string {
  // One thing at a time: who may not do it at all is not told of limits.
  if (on.kind === 'server')
    return who.can.includes(action) ? `"${action}" without a limit to projects or apps` : `"${action}"`;
  return `"${action}" on the ${on.kind} "${on.name}"`;
}
