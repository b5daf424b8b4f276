import { hash } from 'node:crypto';
import { decodeJwt, type JWTPayload } from 'jose';
import type { Catalog } from '../catalog/catalog.ts';
import { appendEvent } from '../catalog/events.ts';
import {
  claimIdentity,
  deleteToken,
  findTokenByHash,
  insertToken,
  sweepPublisherTokens,
  type TokenRecord,
} from '../catalog/tokens.ts';
import type { Clock } from '../clock.ts';
import type { Actor } from '../model/access.ts';
import { findPublisher, type OidcIssuer, type TrustedPublisher, trustsAnybody } from '../model/trusted-publisher.ts';
import { Problem } from '../problem.ts';
import type { FailedAttempts } from './failed-attempts.ts';
import type { TokenGeneration } from './generation.ts';
import { normaliseGrant } from './grants.ts';
import { checkedUrl, IdentityIssuer, identityRefused } from './identity-issuer.ts';
import { hashSecret, newTokenId, newTokenSecret, parseTokenSecret, type TokenSecret } from './token.ts';

const LONGEST_IDENTITY = 16 * 1024;
// How long after the last instant at which an identity token could pass it is still remembered. Nodes' clocks may differ.
const REMEMBER_MARGIN_MS = 5 * 60_000;
// Of an expired token the name stays in the audit trail; the row is kept for a day so that the list of tokens can show it.
const KEEP_EXPIRED_MS = 24 * 3_600_000;

/** A short-lived token that an identity token was exchanged for. */
export interface MintedToken {
  /** To be shown to the caller and nobody else. */
  readonly secret: TokenSecret;
  readonly expiresAt: number;
}

/** What is trusted, as the configuration says it. */
export interface TrustedPublishingRules {
  /** What identity tokens for us must say in `aud`. */
  readonly audience: string;
  /** How many milliseconds a minted token is good for. */
  readonly tokenLifetime: number;
  readonly issuers: readonly OidcIssuer[];
}

/** Trusted publishing: CI proves who it is with a token of its own issuer, and gets one of ours for a quarter of an hour. */
export class TrustedPublishing {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #failedAttempts: FailedAttempts;
  readonly #generation: TokenGeneration;
  readonly #rules: TrustedPublishingRules;
  readonly #issuers: readonly IdentityIssuer[];

  /** Throws `RangeError`, `TypeError` or `Problem` for rules that would be unsafe. */
  constructor(
    rules: TrustedPublishingRules,
    parts: { catalog: Catalog; clock: Clock; failedAttempts: FailedAttempts; generation: TokenGeneration },
  ) {
    checkIssuers(rules.issuers);
    this.#rules = rules;
    this.#catalog = parts.catalog;
    this.#clock = parts.clock;
    this.#failedAttempts = parts.failedAttempts;
    this.#generation = parts.generation;
    const { audience } = rules;
    this.#issuers = rules.issuers.map((issuer) => new IdentityIssuer(issuer, { audience, clock: parts.clock }));
  }

  /** What CI must ask its issuer to put in `aud`; `undefined` when no issuer is trusted, so that there is nothing to ask for. */
  audience(): string | undefined {
    return this.#issuers.length > 0 ? this.#rules.audience : undefined;
  }

  /**
   * Exchanges an identity token, once, for one of ours. Throws `identity-refused` (not valid, no publisher has its claims, used
   * before), `issuer-unavailable`, `rate-limited`.
   */
  async mint(identity: string, from: Actor): Promise<MintedToken> {
    try {
      return await this.#mint(identity, from);
    } catch (error) {
      if (!(error instanceof Problem) || error.slug !== 'identity-refused') throw error;
      const retryAfter = await this.#failedAttempts.count(from.address ?? '');
      if (retryAfter === undefined) throw error;
      throw new Problem('rate-limited', 'There were too many identity tokens that were refused.', { retryAfter });
    }
  }

  /**
   * Ends a token that was minted here, at once and on every node: tools do so when they have published. Of any other text, a
   * token that somebody made among them, nothing comes.
   */
  async burn(text: string, from: Actor): Promise<void> {
    const secret = parseTokenSecret(text);
    if (secret === undefined) return;
    const found = await this.#catalog.read(() => findTokenByHash(hashSecret(secret)));
    if (found?.kind !== 'trusted-publisher') return;
    const at = this.#clock.nowMs();
    try {
      await this.#catalog.write(function* () {
        if ((yield* deleteToken(found.id)) === undefined) return;
        const actor = { ...from, name: found.name };
        const subject = `token/${found.id}`;
        yield* appendEvent({ at, kind: 'token-revoked', actor, subject, detail: { name: found.name } });
      });
    } finally {
      // Also after a failure: the write may have come to pass all the same.
      this.#generation.advance();
    }
  }

  async #mint(identity: string, from: Actor): Promise<MintedToken> {
    const issuer = this.#issuerOf(identity);
    const claims = await issuer.verify(identity);
    const publisher = findPublisher(issuer.config.grants, claims);
    if (publisher === undefined) {
      throw identityRefused(
        'invalid-publisher',
        'The identity token is valid, but no trusted publisher has its claims.',
      );
    }
    const now = this.#clock.nowMs();
    const secret = newTokenSecret();
    const expiresAt = now + this.#rules.tokenLifetime;
    const token = publisherToken(publisher, claims, { now, expiresAt });
    const seen = identityId(issuer.config.issuer, identity, claims.jti);
    const forgetAt = Math.ceil(claims.exp * 1000) + issuer.config.leeway + REMEMBER_MARGIN_MS;
    await this.#catalog.write(function* () {
      if (!(yield* claimIdentity(seen, Math.min(forgetAt, Number.MAX_SAFE_INTEGER), now))) {
        throw identityRefused(
          'invalid-reuse-token',
          'This identity token was exchanged before; each is good for once.',
        );
      }
      yield* sweepPublisherTokens(now - KEEP_EXPIRED_MS);
      yield* insertToken(token, hashSecret(secret));
      yield* appendEvent({
        at: now,
        kind: 'publisher-token-created',
        actor: { ...from, name: token.name },
        subject: `token/${token.id}`,
        detail: { issuer: issuer.config.issuer, claims: publisher.claims, can: token.can },
      });
    });
    return { secret, expiresAt };
  }

  #issuerOf(identity: string): IdentityIssuer {
    const claimed = identity.length > LONGEST_IDENTITY ? undefined : unverifiedIssuer(identity);
    const issuer = this.#issuers.find(({ config }) => config.issuer === claimed);
    if (issuer === undefined) {
      throw identityRefused('invalid-token', 'This is not an identity token of an issuer that is trusted here.');
    }
    return issuer;
  }
}

function unverifiedIssuer(identity: string): string | undefined {
  try {
    return decodeJwt(identity).iss;
  } catch {
    return undefined;
  }
}

function publisherToken(
  publisher: TrustedPublisher,
  claims: JWTPayload,
  { now, expiresAt }: { now: number; expiresAt: number },
): TokenRecord {
  return {
    ...normaliseGrant(publisher),
    id: newTokenId(now),
    name: `oidc:${(claims.sub ?? 'unnamed').replace(/[^\x20-\x7e]/g, '?').slice(0, 200)}`,
    kind: 'trusted-publisher',
    createdAt: now,
    createdBy: 'trusted-publishing',
    expiresAt,
  };
}

/** Names an identity token for good. Without an id of its own, what was signed; not the signature, which can take several forms. */
function identityId(issuer: string, identity: string, jti: string | undefined): string {
  const own =
    typeof jti === 'string' && jti !== '' ? ['jti', jti] : ['signed', identity.slice(0, identity.lastIndexOf('.'))];
  return hash('sha256', JSON.stringify([issuer, ...own]), 'hex');
}

function checkIssuers(issuers: readonly OidcIssuer[]): void {
  if (new Set(issuers.map(({ issuer }) => issuer)).size < issuers.length) {
    throw new RangeError('an issuer is configured twice: put its grants into one list');
  }
  for (const { issuer, jwksUrl, grants } of issuers) {
    checkedUrl(issuer);
    if (jwksUrl !== null) checkedUrl(jwksUrl);
    for (const publisher of grants) {
      normaliseGrant(publisher);
      if (trustsAnybody(publisher)) {
        throw new RangeError(`a grant of ${issuer} needs a claim that tells its publisher from others`);
      }
    }
  }
}
