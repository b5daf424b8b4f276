import type { UpstreamHealth } from './upstream.ts';

/** What outlives the process. */
export type SavedHealth = Omit<UpstreamHealth, 'retryAfter'>;
