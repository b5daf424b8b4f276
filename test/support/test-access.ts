import { AuditTrail } from '../../server/access/audit-trail.ts';
import { FailedAttempts } from '../../server/access/failed-attempts.ts';
import { TokenGeneration } from '../../server/access/generation.ts';
import { lastUsedTokens } from '../../server/access/last-used.ts';
import { TokenAuthorizer } from '../../server/access/token-authorizer.ts';
import { Tokens, type WantedToken } from '../../server/access/tokens.ts';
import { TrustedPublishing, type TrustedPublishingRules } from '../../server/access/trusted-publishing.ts';
import type { Catalog } from '../../server/catalog/catalog.ts';
import { Looks } from '../../server/catalog/looks.ts';
import type { GatheredTimes } from '../../server/gathered-times.ts';
import type { Action, Principal } from '../../server/model/access.ts';
import { FakeClock } from './fake-clock.ts';
import { testCatalog } from './test-catalog.ts';

/** The bootstrap token of `testAccess`. */
export const BOOTSTRAP_TOKEN = 'bootstrap-token-of-tests';

/** Who made the tokens of a test. */
export const ADMIN: Principal = { kind: 'token', name: 'bootstrap', can: ['admin'] };

export interface AccessOptions {
  readonly anonymous?: readonly Action[];
  readonly failuresPerMinute?: number;
  readonly oidc?: TrustedPublishingRules;
  readonly bootstrapToken?: string | undefined;
  /** Several of these on one catalog. */
  readonly shared?: boolean;
  readonly catalog?: Catalog;
  readonly clock?: FakeClock;
}

export interface TestAccess {
  readonly authorizer: TokenAuthorizer;
  readonly tokens: Tokens;
  readonly audit: AuditTrail;
  readonly publishing: TrustedPublishing;
  readonly lastUsed: GatheredTimes;
  readonly catalog: Catalog;
  readonly clock: FakeClock;
  /** Makes a token that may do this; answers its secret. */
  token(wanted: Omit<WantedToken, 'name'> & { name?: string }): Promise<string>;
}

/** Access control on a catalog in memory, its clock standing still; anonymous may read unless it is said otherwise. */
export async function testAccess(
  t: { after(fn: () => Promise<void>): void },
  options: AccessOptions = {},
): Promise<TestAccess> {
  const { catalog = await testCatalog(t), clock = new FakeClock() } = options;
  const looks = new Looks(catalog);
  const generation = new TokenGeneration(options.shared === true ? { read: () => looks.generation() } : {});
  const lastUsed = lastUsedTokens({
    catalog,
    clock,
    onFailure: (error) => {
      throw error;
    },
  });
  const failedAttempts = new FailedAttempts({ attempts: options.failuresPerMinute ?? 5 });
  const tokens = new Tokens({ catalog, clock, generation });
  const bootstrapToken = 'bootstrapToken' in options ? options.bootstrapToken : BOOTSTRAP_TOKEN;
  return {
    authorizer: new TokenAuthorizer({
      catalog,
      clock,
      generation,
      lastUsed,
      failedAttempts,
      anonymous: options.anonymous ?? ['read'],
      ...(bootstrapToken === undefined ? {} : { bootstrapToken }),
    }),
    tokens,
    audit: new AuditTrail({ catalog }),
    publishing: new TrustedPublishing(
      options.oidc ?? { audience: 'stormcellar', tokenLifetime: 900_000, issuers: [] },
      { catalog, clock, failedAttempts, generation },
    ),
    lastUsed,
    catalog,
    clock,
    token: async (wanted) => {
      const { secret } = await tokens.create({ name: 'test', ...wanted }, ADMIN, { name: 'tester' });
      return secret;
    },
  };
}

/** Two ways to present a secret. */
export function basic(secret: string, user = '__token__'): string {
  return `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`;
}

export function bearer(secret: string): string {
  return `Bearer ${secret}`;
}
