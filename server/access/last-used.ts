import type { Catalog } from '../catalog/catalog.ts';
import { markTokensUsed } from '../catalog/tokens.ts';
import type { Clock } from '../clock.ts';
import { GatheredTimes } from '../gathered-times.ts';

/** When tokens were last used. `onFailure` is told when that could not be written; it is kept for the next time. */
export function lastUsedTokens(parts: {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly onFailure: (error: unknown) => void;
}): GatheredTimes {
  return new GatheredTimes({ ...parts, write: markTokensUsed });
}
