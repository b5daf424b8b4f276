import { type Access, type AccessSettings, buildAccess } from '../../server/access/build-access.ts';
import type { WantedToken } from '../../server/access/tokens.ts';
import type { Catalog } from '../../server/catalog/catalog.ts';
import type { Principal } from '../../server/model/access.ts';
import { FakeClock } from './fake-clock.ts';
import { testCatalog } from './test-catalog.ts';

/** The bootstrap token of `testAccess`. */
export const BOOTSTRAP_TOKEN = 'bootstrap-token-of-tests';

/** Who made the tokens of a test. */
export const ADMIN: Principal = { kind: 'token', name: 'bootstrap', can: ['admin'] };

export interface TestAccess extends Access {
  readonly catalog: Catalog;
  readonly clock: FakeClock;
  /** What could not be written in the background. */
  readonly failures: unknown[];
  /** Makes a token that may do this; answers its secret. */
  token(wanted: Omit<WantedToken, 'name'> & { name?: string }): Promise<string>;
}

/** Access control on a catalog in memory, its clock standing still; anonymous may read unless it is said otherwise. */
export async function testAccess(
  t: { after(fn: () => Promise<void>): void },
  options: Partial<AccessSettings> & { catalog?: Catalog; clock?: FakeClock } = {},
): Promise<TestAccess> {
  const { catalog = await testCatalog(t), clock = new FakeClock(), ...settings } = options;
  const failures: unknown[] = [];
  const access = buildAccess(
    {
      anonymous: ['read'],
      failuresPerMinute: 5,
      oidc: { audience: 'stormcellar', tokenLifetime: 900_000, issuers: [] },
      bootstrapToken: BOOTSTRAP_TOKEN,
      shared: false,
      ...settings,
    },
    { catalog, clock, onFailure: (error) => failures.push(error) },
  );
  return {
    ...access,
    catalog,
    clock,
    failures,
    token: async (wanted) => {
      const { secret } = await access.tokens.create({ name: 'test', ...wanted }, ADMIN, { name: 'tester' });
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
