import type { Server } from 'node:http';
import type { Clock } from '../clock.ts';
import type { RequestsUnderWay } from './requests-under-way.ts';

/**
 * Ends a server without breaking off an answer. For `delayMs` it still takes requests: `/readyz` says that it stops, and each answer ends its
 * connection, so that load balancers go elsewhere and none of them sends a request over a connection that is being closed. Then
 * it takes nothing new, and requests under way have `graceMs` to finish.
 */
export async function closeServer(
  server: Server,
  parts: {
    readonly requests: RequestsUnderWay;
    readonly clock: Clock;
    readonly delayMs: number;
    readonly graceMs: number;
  },
): Promise<void> {
  const { requests, clock, delayMs, graceMs } = parts;
  requests.beginStopping();
  if (delayMs > 0) await clock.sleep(delayMs);
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  const patience = new AbortController();
  await Promise.race([requests.drained(), clock.sleep(graceMs, patience.signal).catch(() => undefined)]);
  patience.abort();
  server.closeAllConnections();
  await closed;
}
