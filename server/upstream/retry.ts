import type { Clock } from '../clock.ts';
import { UpstreamError } from './errors.ts';

export interface RetryOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Further attempts after the first. */
  readonly retries: number;
  /** When the caller's time is over, milliseconds since 1970: no pause goes beyond it. */
  readonly until: number;
  /** 0 to 1. */
  readonly random: () => number;
}

const FIRST_PAUSE_MS = 100;

/**
 * Runs `attempt` again after failures that pass (no connection, a broken one, 502, 503, a short 429), with growing pauses that differ from
 * caller to caller, or those that `Retry-After` asks for. Throws the last `UpstreamError`, at once when its pause would be too long.
 */
export async function retrying<T>(options: RetryOptions, attempt: () => Promise<T>): Promise<T> {
  const { clock, signal, retries, until, random } = options;
  for (let tries = 0; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof UpstreamError) || tries >= retries || signal.aborted) throw error;
      const canPass = error.isPassing || (error.kind === 'limited' && error.retryAfterMs !== undefined);
      const pause = Math.max(error.retryAfterMs ?? 0, FIRST_PAUSE_MS * 2 ** tries * (0.5 + random()));
      if (!canPass || clock.nowMs() + pause >= until) throw error;
      await clock.sleep(pause, signal);
    }
  }
}
