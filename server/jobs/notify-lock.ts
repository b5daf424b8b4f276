import { createHmac } from 'node:crypto';
import type { Catalog } from '../catalog/catalog.ts';
import { findKeptLock } from '../catalog/locks.ts';
import type { Clock } from '../clock.ts';
import { Problem } from '../problem.ts';
import { within } from '../upstream/deadline.ts';
import type { JobRun } from './job-run.ts';

export interface NotifyLockParts {
  readonly catalog: Catalog;
  readonly clock: Clock;
  /** Where to; `null`: to nobody. */
  readonly url: string | null;
  /** Key of the signature. */
  readonly secret: string | null;
}

const PATIENCE_MS = 10_000;

/**
 * Posts to the webhook that a kept lock is not ready any more. With a secret, `X-Stormcellar-Signature` is `sha256=` and the HMAC-SHA256 of
 * the body in hex. Any status but 2xx is a failure, and then the job is tried again later.
 */
export async function notifyLock(
  { catalog, clock, url, secret }: NotifyLockParts,
  job: JobRun<'notify-lock'>,
): Promise<object> {
  const { name, since } = job.input;
  const lock = await catalog.read(() => findKeptLock(name));
  if (url === null || lock === undefined) return { told: false };
  const body = JSON.stringify({
    event: 'lock-not-ready',
    lock: name,
    since: new Date(since).toISOString(),
    ready: lock.ready,
    missingCount: lock.missingCount,
    missing: JSON.parse(lock.missing) as unknown,
  });
  const signature = secret === null ? undefined : createHmac('sha256', secret).update(body).digest('hex');
  let status: number;
  try {
    status = await within({ clock, ms: PATIENCE_MS, signal: job.signal }, async (signal) => {
      const response = await fetch(url, {
        method: 'POST',
        redirect: 'manual',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'stormcellar',
          'x-stormcellar-event': 'lock-not-ready',
          'x-stormcellar-delivery': job.id,
          ...(signature === undefined ? {} : { 'x-stormcellar-signature': `sha256=${signature}` }),
        },
        body,
        signal,
      });
      await response.body?.cancel();
      return response.status;
    });
  } catch (error) {
    if (job.signal.aborted) throw job.signal.reason;
    throw new Problem('upstream-unavailable', 'The webhook could not be reached.', { cause: error });
  }
  if (status < 200 || status > 299) throw new Problem('upstream-unavailable', `The webhook answered ${status}.`);
  return { told: true, status };
}
