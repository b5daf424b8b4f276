import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';
import type { Metrics } from '../metrics.ts';
import { contextOf } from './request-context.ts';

// A token that somebody typed into an address.
const SECRET = /sc_[0-9A-Za-z]{40,}/g;
const OUTCOME = /^stormcellar; (?:fwd=)?([a-z]+)/;

/** What the log may have of a text that a client sent: no token, and not without end. */
export function forLog(text: string): string {
  return text.replace(SECRET, 'sc_***').slice(0, 500);
}

/** A request's address without its query. */
export function pathOf(req: IncomingMessage): string {
  return (req.url ?? '').split('?', 1)[0] ?? '';
}

/** Logs and counts a request when its answer has been sent or broken off: one line, without the query and without secrets. */
export function logRequest(req: IncomingMessage, res: ServerResponse, parts: { clock: Clock; metrics: Metrics }): void {
  res.once('close', () => {
    const context = contextOf(req);
    const ms = parts.clock.nowMs() - context.startedAt;
    const status = res.headersSent ? res.statusCode : 499;
    const length = Number(res.getHeader('content-length') ?? 0);
    const bytes = req.method === 'HEAD' || !res.writableFinished ? 0 : length;
    const cache = res.getHeader('cache-status');
    const outcome = typeof cache === 'string' ? OUTCOME.exec(cache)?.[1] : undefined;
    parts.metrics.request(routeOf(pathOf(req)), status, ms / 1000, bytes);
    if (outcome !== undefined) parts.metrics.answer(outcome);
    context.log.info(
      {
        id: context.id,
        method: req.method,
        path: forLog(pathOf(req)),
        status,
        ms,
        bytes,
        who: context.principal.name,
        from: context.address,
        agent: req.headers['user-agent']?.slice(0, 60),
        ...(typeof cache === 'string' ? { cache } : {}),
        ...(res.writableFinished ? {} : { cut: true }),
      },
      'request',
    );
  });
}

const KINDS = new Set([
  'simple',
  'pypi',
  'legacy',
  'integrity',
  'bundles',
  'sources',
  'admin',
  'livez',
  'readyz',
  'metrics',
  '_',
]);

/** A bounded set of names for the routes, whatever is asked. */
function routeOf(path: string): string {
  const segments = path.split('/').filter((segment) => segment !== '');
  if (segments[0] === undefined) return 'front';
  if (segments.includes('simple')) return segments.at(-1) === 'simple' ? 'list' : path.endsWith('/') ? 'page' : 'file';
  return segments.find((segment) => KINDS.has(segment)) ?? 'other';
}
