import type { Catalog } from '../catalog/catalog.ts';
import type { Clock } from '../clock.ts';
import type { Action } from '../model/access.ts';
import { AuditTrail } from './audit-trail.ts';
import { FailedAttempts } from './failed-attempts.ts';
import { TokenGeneration } from './generation.ts';
import { LastUsed } from './last-used.ts';
import { TokenAuthorizer } from './token-authorizer.ts';
import { Tokens } from './tokens.ts';
import { TrustedPublishing, type TrustedPublishingRules } from './trusted-publishing.ts';

/** How access is to be controlled; `anonymous` and `failuresPerMinute` as in the configuration. */
export interface AccessSettings {
  readonly anonymous: readonly Action[];
  readonly failuresPerMinute: number;
  readonly oidc: TrustedPublishingRules;
  /** At least 20 characters; absent when none is set. */
  readonly bootstrapToken?: string | undefined;
  /** May other processes use the same catalog? Then each use of a token asks the catalog whether any was revoked. */
  readonly shared: boolean;
}

/** The parts of access control, put together. */
export interface Access {
  readonly authorizer: TokenAuthorizer;
  readonly tokens: Tokens;
  readonly audit: AuditTrail;
  readonly publishing: TrustedPublishing;
  /** To be started, and stopped before the catalog is closed. */
  readonly lastUsed: LastUsed;
}

/** Puts access control together. Throws `RangeError`, `TypeError` or `Problem` for settings that would be unsafe. */
export function buildAccess(
  settings: AccessSettings,
  parts: { catalog: Catalog; clock: Clock; onFailure: (error: unknown) => void },
): Access {
  const { catalog, clock, onFailure } = parts;
  const generation = new TokenGeneration(catalog, { shared: settings.shared });
  const lastUsed = new LastUsed({ catalog, clock, onFailure });
  const failedAttempts = new FailedAttempts({ attempts: settings.failuresPerMinute, perSeconds: 60 });
  const { anonymous, bootstrapToken } = settings;
  return {
    authorizer: new TokenAuthorizer({
      catalog,
      clock,
      generation,
      lastUsed,
      failedAttempts,
      anonymous,
      ...(bootstrapToken === undefined ? {} : { bootstrapToken }),
    }),
    tokens: new Tokens({ catalog, clock, generation }),
    audit: new AuditTrail({ catalog }),
    publishing: new TrustedPublishing(settings.oidc, { catalog, clock, failedAttempts }),
    lastUsed,
  };
}
