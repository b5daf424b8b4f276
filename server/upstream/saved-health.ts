import type { BreakerState } from './upstream.ts';

/** What outlives the process. */
export interface SavedHealth {
  readonly state: BreakerState;
  readonly since: number;
  readonly epoch: number;
  readonly lastSuccessAt?: number;
  readonly lastFailureAt?: number;
  readonly lastError?: string;
}
