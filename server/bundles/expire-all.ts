import { expireVersions, findRetention } from '../catalog/bundle-retention.ts';
import { listApps } from '../catalog/bundles.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { Clock } from '../clock.ts';
import type { Actor } from '../model/access.ts';
import { type BundleRules, configuredRetention } from './rules.ts';

/** What a run of retention over all applications came to. */
export interface ExpireOutcome {
  readonly apps: number;
  readonly removed: number;
  /** Freed by the next garbage collection. */
  readonly removedBytes: number;
}

const APPS_AT_ONCE = 200;

/**
 * Takes away, of every application, the versions that retention does not keep; one transaction for each, so that it may be stopped
 * or die anywhere. Throws the reason of `signal` when that aborts.
 */
export async function expireBundles(
  parts: { readonly catalog: Catalog; readonly clock: Clock; readonly rules: Pick<BundleRules, 'retention'> },
  options: {
    readonly actor: Actor;
    readonly signal: AbortSignal;
    readonly onProgress?: (soFar: ExpireOutcome) => void;
  },
): Promise<ExpireOutcome> {
  const { catalog, clock, rules } = parts;
  const { actor, signal, onProgress } = options;
  let outcome: ExpireOutcome = { apps: 0, removed: 0, removedBytes: 0 };
  let after = '';
  for (;;) {
    const page = { after, limit: APPS_AT_ONCE };
    const names = await catalog.read(() => listApps(page));
    for (const name of names) {
      signal.throwIfAborted();
      const at = clock.nowMs();
      const expired = await catalog.write(function* () {
        const retention = (yield* findRetention(name)) ?? configuredRetention(rules, name);
        return yield* expireVersions(name, retention, { actor, at });
      });
      outcome = {
        apps: outcome.apps + 1,
        removed: outcome.removed + expired.length,
        removedBytes: expired.reduce((bytes, { size }) => bytes + size, outcome.removedBytes),
      };
      after = name;
    }
    if (names.length < APPS_AT_ONCE) return outcome;
    onProgress?.(outcome);
  }
}
