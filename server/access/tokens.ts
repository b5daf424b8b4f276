import type { Catalog } from '../catalog/catalog.ts';
import { appendEvent } from '../catalog/events.ts';
import { deleteToken, insertToken, listTokens, type TokenRecord } from '../catalog/tokens.ts';
import type { Clock } from '../clock.ts';
import type { Actor, Principal } from '../model/access.ts';
import { Problem } from '../problem.ts';
import type { TokenGeneration } from './generation.ts';
import { covers, type LooseGrant, normaliseGrant } from './grants.ts';
import { hashSecret, newTokenId, newTokenSecret, type TokenSecret } from './token.ts';

export type { TokenRecord } from '../catalog/tokens.ts';

/** What a new token is to be. */
export interface WantedToken extends LooseGrant {
  readonly name: string;
  /** Milliseconds since 1970; absent: as long as the token of whoever makes it. */
  readonly expiresAt?: number | undefined;
}

// Names that the audit trail gives to others.
const RESERVED = /^(?:anonymous|bootstrap|server|oidc:.*)$/i;
const MOST_LISTED = 1000;

/** The use cases of tokens. Who may is asked before. */
export class Tokens {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #generation: TokenGeneration;

  constructor(parts: { catalog: Catalog; clock: Clock; generation: TokenGeneration }) {
    this.#catalog = parts.catalog;
    this.#clock = parts.clock;
    this.#generation = parts.generation;
  }

  /**
   * Makes a token. The secret is in the answer and nowhere else. Throws `malformed-request`; `forbidden` when the token would
   * allow more, or last longer, than that of its maker.
   */
  async create(wanted: WantedToken, by: Principal, from: Actor): Promise<{ token: TokenRecord; secret: TokenSecret }> {
    const now = this.#clock.nowMs();
    const expiresAt = expiry(wanted, by, now);
    const grant = normaliseGrant(wanted);
    if (RESERVED.test(wanted.name)) throw malformed('name', 'This name is reserved.');
    if (!covers(by, grant))
      throw new Problem('forbidden', 'A token cannot grant more than the one that it is made with.');
    const secret = newTokenSecret();
    const token: TokenRecord = {
      ...grant,
      id: newTokenId(now),
      name: wanted.name,
      kind: 'token',
      createdAt: now,
      createdBy: from.name,
      ...(expiresAt === undefined ? {} : { expiresAt }),
    };
    await this.#catalog.write(function* () {
      yield* insertToken(token, hashSecret(secret));
      yield* appendEvent({
        at: now,
        kind: 'token-created',
        actor: from,
        subject: `token/${token.id}`,
        detail: {
          name: token.name,
          ...grant,
          // As everywhere that people read it.
          ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
        },
      });
    });
    return { token, secret };
  }

  /** Tokens, expired ones too, in the order in which they were made; at most 1,000 at a time. Never a secret. */
  list(page: { after?: string | undefined } = {}): Promise<readonly TokenRecord[]> {
    const { after } = page;
    return this.#catalog.read(() => listTokens({ limit: MOST_LISTED, ...(after === undefined ? {} : { after }) }));
  }

  /** Ends a token, at once and on every node. Throws `token-not-found`. */
  async revoke(id: string, from: Actor): Promise<void> {
    const at = this.#clock.nowMs();
    try {
      await this.#catalog.write(function* () {
        const token = yield* deleteToken(id);
        if (token === undefined) throw new Problem('token-not-found', 'There is no token with this id.');
        const subject = `token/${id}`;
        yield* appendEvent({ at, kind: 'token-revoked', actor: from, subject, detail: { name: token.name } });
      });
    } finally {
      // Also after a failure: the write may have come to pass all the same.
      this.#generation.advance();
    }
  }
}

function expiry(wanted: WantedToken, by: Principal, now: number): number | undefined {
  const { expiresAt } = wanted;
  if (expiresAt !== undefined && expiresAt <= now) throw malformed('expiresAt', 'This time is in the past.');
  if (by.expiresAt === undefined) return expiresAt;
  if (expiresAt !== undefined && expiresAt > by.expiresAt) {
    throw new Problem('forbidden', 'A token cannot last longer than the one that it is made with.');
  }
  return expiresAt ?? by.expiresAt;
}

function malformed(member: string, detail: string): Problem {
  return new Problem('malformed-request', detail, { members: { errors: [{ pointer: `/${member}`, detail }] } });
}
