import type { Actor } from '../model/access.ts';
import type { Bundles } from './bundles.ts';

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
 * or die anywhere. For the job `expire-bundles`. Throws when `signal` aborts.
 */
export async function expireBundles(
  bundles: Bundles,
  {
    actor,
    signal,
    onProgress,
  }: {
    readonly actor: Actor;
    readonly signal: AbortSignal;
    readonly onProgress?: (soFar: ExpireOutcome) => Promise<void>;
  },
): Promise<ExpireOutcome> {
  let outcome: ExpireOutcome = { apps: 0, removed: 0, removedBytes: 0 };
  let after = '';
  for (;;) {
    const page = await bundles.apps({ after, limit: APPS_AT_ONCE });
    for (const { name } of page) {
      signal.throwIfAborted();
      const expired = await bundles.expire(name, actor);
      outcome = {
        apps: outcome.apps + 1,
        removed: outcome.removed + expired.length,
        removedBytes: expired.reduce((bytes, { size }) => bytes + size, outcome.removedBytes),
      };
      after = name;
    }
    if (page.length < APPS_AT_ONCE) return outcome;
    await onProgress?.(outcome);
  }
}
