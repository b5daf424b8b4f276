import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { Clock } from '../clock.ts';
import { isSafeAddress, type OidcIssuer } from '../model/trusted-publisher.ts';
import { Problem } from '../problem.ts';

const KEYS_FRESH_MS = 60 * 60_000;
const REFETCH_PAUSE_MS = 10_000;
const FETCH_TIMEOUT_MS = 5_000;
const FETCH_LIMIT_BYTES = 256 * 1024;
// No secret that issuer and server would have to share, and never `none`.
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

/** An issuer of identity tokens: fetches its keys, keeps them for an hour, and verifies. */
export class IdentityIssuer {
  readonly config: OidcIssuer;
  readonly #audience: string;
  readonly #clock: Clock;
  #keys: JWTVerifyGetKey | undefined;
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #fetching: Promise<JWTVerifyGetKey> | undefined;

  constructor(config: OidcIssuer, parts: { audience: string; clock: Clock }) {
    this.config = config;
    this.#audience = parts.audience;
    this.#clock = parts.clock;
  }

  /** The claims of a token that this issuer signed for us and that is valid now. Throws `identity-refused`, `issuer-unavailable`. */
  async verify(token: string): Promise<JWTPayload & { readonly exp: number }> {
    try {
      return await this.#verifyWith(await this.#keySet(KEYS_FRESH_MS), token);
    } catch (error) {
      // The issuer may have begun to sign with a new key.
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw refused(error);
    }
    try {
      return await this.#verifyWith(await this.#keySet(REFETCH_PAUSE_MS), token);
    } catch (error) {
      throw refused(error);
    }
  }

  async #verifyWith(keys: JWTVerifyGetKey, token: string): Promise<JWTPayload & { readonly exp: number }> {
    const { payload } = await jwtVerify(token, keys, {
      issuer: this.config.issuer,
      audience: this.#audience,
      algorithms: ALGORITHMS,
      clockTolerance: this.config.leeway / 1000,
      currentDate: this.#clock.now(),
      requiredClaims: ['exp'],
    });
    const { exp } = payload;
    if (exp === undefined) throw new errors.JWTInvalid('"exp" is missing');
    return { ...payload, exp };
  }

  async #keySet(freshMs: number): Promise<JWTVerifyGetKey> {
    if (this.#keys !== undefined && this.#clock.nowMs() - this.#fetchedAt < freshMs) return this.#keys;
    this.#fetching ??= this.#fetchKeys().finally(() => {
      this.#fetching = undefined;
    });
    return await this.#fetching;
  }

  async #fetchKeys(): Promise<JWTVerifyGetKey> {
    try {
      const keys = createLocalJWKSet((await fetchJson(await this.#jwksUri())) as unknown as JSONWebKeySet);
      this.#keys = keys;
      this.#fetchedAt = this.#clock.nowMs();
      return keys;
    } catch (cause) {
      const detail = 'The keys of the issuer of this identity token cannot be fetched now; try again.';
      throw new Problem('issuer-unavailable', detail, { cause, retryAfter: 10 });
    }
  }

  async #jwksUri(): Promise<URL> {
    const { issuer, jwksUrl } = this.config;
    if (jwksUrl !== null) return new URL(jwksUrl);
    // Discovery 1.0, 4.1 and 4.3: the path is appended, and the document must name the issuer it was asked of.
    const found = await fetchJson(new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`));
    if (found.issuer !== issuer) throw new Error('the discovery document names another issuer');
    if (typeof found.jwks_uri !== 'string') throw new Error('the discovery document has no jwks_uri');
    return checkedUrl(found.jwks_uri);
  }
}

/** An address that keys may be fetched from: https, or plain http on this machine. Throws `TypeError`. */
export function checkedUrl(text: string): URL {
  const url = new URL(text);
  if (!isSafeAddress(url)) throw new TypeError(`not an https address: ${url.origin}`);
  return url;
}

async function fetchJson(url: URL): Promise<Readonly<Record<string, unknown>>> {
  const response = await fetch(url, {
    headers: { Accept: 'application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
  });
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > FETCH_LIMIT_BYTES) throw new Error('the issuer sends too much');
    chunks.push(chunk);
  }
  if (response.status !== 200) throw new Error(`the issuer answers ${response.status}`);
  const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  if (typeof value !== 'object' || value === null) throw new Error('the issuer sends no JSON object');
  return value as Record<string, unknown>;
}

function refused(error: unknown): unknown {
  if (!(error instanceof errors.JOSEError)) return error;
  return identityRefused('invalid-token', `The identity token is not valid: ${error.code}.`, error);
}

/** A refusal in the form that CI actions print (`errors`, as the public index words it), beside our own members. */
export function identityRefused(code: string, detail: string, cause?: unknown): Problem {
  return new Problem('identity-refused', detail, {
    cause,
    members: { message: 'Token request failed', errors: [{ code, description: detail }] },
  });
}
