import type { Clock } from '../clock.ts';
import { UpstreamError } from './errors.ts';

export interface Limit {
  readonly clock: Clock;
  readonly ms: number;
  /** Aborts the work as well. */
  readonly signal?: AbortSignal;
}

/** The message of a failure that is a deadline. */
export const NO_ANSWER = 'no answer in time';

// Abort without a reason makes an error with a stack, for nobody.
const IN_TIME = new Error('it was done in time');

/**
 * Runs `work` with a signal that aborts after `ms`, and fails with kind `timeout` when that was why it ended. The signal lives on after
 * that, but then only follows the caller's own.
 */
export async function within<T>(limit: Limit, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const late = new AbortController();
  const timer = new AbortController();
  const watch = limit.clock.sleep(limit.ms, timer.signal).then(
    () => late.abort(new UpstreamError('timeout', NO_ANSWER)),
    // `work` was faster.
    () => {},
  );
  const signal = limit.signal ? AbortSignal.any([limit.signal, late.signal]) : late.signal;
  try {
    return await work(signal);
  } catch (error) {
    if (late.signal.aborted && limit.signal?.aborted !== true) throw late.signal.reason;
    throw error;
  } finally {
    timer.abort(IN_TIME);
    await watch;
  }
}
