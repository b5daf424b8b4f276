import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { TrustedPublisher } from '../../server/model/trusted-publisher.ts';
import { type AccessServer, accessServer } from './access-server.ts';
import { FakeIssuer } from './fake-issuer.ts';
import { basic } from './test-access.ts';

/** Seconds by which the clocks of issuer and server may differ. */
export const LEEWAY = 30;
/** A route that the trusted publisher may use, and one that it may not. */
export const PROBES = [
  { method: 'POST', path: '/legacy/', action: 'upload', on: { kind: 'project', name: 'acme-lib' } },
  { method: 'POST', path: '/other/', action: 'upload', on: { kind: 'project', name: 'other' } },
] as const;
/** What the issuer's jobs of tags of one repository may do. */
export const GRANT: TrustedPublisher = {
  claims: { repository: 'acme/lib', ref: 'refs/tags/*' },
  can: ['upload'],
  projects: ['Acme_*'],
  apps: null,
};

/** The routes of access control, and an issuer that they trust. */
interface Setup extends AccessServer {
  readonly issuer: FakeIssuer;
  /** Claims of a good token, with a token id of its own. */
  claims(over?: Record<string, unknown>): Record<string, unknown>;
}

interface Mint {
  readonly status: number;
  readonly body: {
    readonly success?: boolean;
    readonly token?: string;
    readonly expires?: number;
    readonly type?: string;
    readonly errors?: readonly { code: string; description: string }[];
  };
}

let ids = 0;

/** Where nobody may do anything without a token, and jobs of one repository get theirs for their identity. */
export async function setup(
  t: TestContext,
  options: { grants?: TrustedPublisher[]; jwksUrl?: true; failuresPerMinute?: number } = {},
): Promise<Setup> {
  const issuer = await FakeIssuer.start(t);
  const { grants = [GRANT], failuresPerMinute = 1000 } = options;
  const jwksUrl = options.jwksUrl ? issuer.jwksUrl : null;
  const app = await accessServer(t, {
    anonymous: [],
    probes: PROBES,
    failuresPerMinute,
    oidc: {
      audience: 'stormcellar',
      tokenLifetime: 900_000,
      issuers: [{ issuer: issuer.url, jwksUrl, leeway: LEEWAY * 1000, grants }],
    },
  });
  const claims = (over: Record<string, unknown> = {}) => {
    const now = Math.floor(app.clock.nowMs() / 1000);
    ids += 1;
    return {
      aud: 'stormcellar',
      sub: 'repo:acme/lib:ref:refs/tags/v1',
      repository: 'acme/lib',
      ref: 'refs/tags/v1',
      iat: now,
      nbf: now,
      exp: now + 300,
      jti: `id-${ids}`,
      ...over,
    };
  };
  return { ...app, issuer, claims };
}

/** Exchanges an identity token. */
export async function mint(url: string, token: unknown): Promise<Mint> {
  // as curl -d and uv do, without a type that says JSON
  const response = await fetch(`${url}/_/oidc/mint-token`, { method: 'POST', body: JSON.stringify({ token }) });
  return { status: response.status, body: (await response.json()) as Mint['body'] };
}

/** Ends a token; answers the status. */
export async function burn(url: string, token: unknown): Promise<number> {
  return (await fetch(`${url}/_/oidc/burn-token`, { method: 'POST', body: JSON.stringify({ token }) })).status;
}

/** The status of an upload with this token. */
export async function upload(url: string, token: string, path = '/legacy/'): Promise<number> {
  return (await fetch(url + path, { method: 'POST', headers: { Authorization: basic(token) } })).status;
}

/** Asserts that an exchange was refused for this reason. */
export function refused({ status, body }: Mint, code: string, what?: string): void {
  assert.equal(status, 422, what);
  assert.equal(body.errors?.[0]?.code, code, what);
  assert.equal(body.type, '/problems/identity-refused', what);
  assert.equal(body.token, undefined, what);
}
