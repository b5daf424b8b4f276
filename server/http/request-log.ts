import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';
import { infoLines, type Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { outcomeOf } from './cache-status.ts';
import { contextOf, type Sent } from './request-context.ts';
import { routeKind } from './route-kind.ts';

// A token that somebody typed into an address.
const SECRET = /sc_[0-9A-Za-z]{40,}/g;

/** What the log may have of a text that a client sent: no token, and not without end. */
export function forLog(text: string): string {
  return (text.includes('sc_') ? text.replace(SECRET, 'sc_***') : text).slice(0, 500);
}

/** A request's address without its query. */
export function pathOf(req: IncomingMessage): string {
  const { url = '' } = req;
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
}

/**
 * What logs and counts a request when its answer has been sent or broken off: one line, without the query and without secrets.
 */
export function requestLog(parts: {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Logger;
}): (res: ServerResponse) => void {
  const { clock, metrics } = parts;
  const writeLine = infoLines(parts.log);
  return (res) => {
    const { req } = res;
    const context = contextOf(req);
    const ms = clock.nowMs() - context.startedAt;
    const status = res.headersSent ? res.statusCode : 499;
    const path = pathOf(req);
    const { length, cache, outcome } = context.sent ?? sentBy(res);
    const isWhole = res.writableFinished;
    const bytes = req.method === 'HEAD' || !isWhole ? 0 : length;
    metrics.request(context.route ?? routeKind(path), status, ms / 1000, bytes);
    if (outcome !== undefined) metrics.answer(outcome);
    const agent = req.headers['user-agent'];
    writeLine(
      `"id":"${context.id}","method":"${req.method}","path":${asJson(forLog(path))},"status":${status},"ms":${ms},"bytes":${bytes}` +
        `,"who":${asJson(context.principal.name)},"from":"${context.address}"` +
        (agent === undefined ? '' : `,"agent":${asJson(agent.slice(0, 60))}`) +
        (cache === undefined ? '' : `,"cache":${asJson(cache)}`) +
        (isWhole ? '' : ',"cut":true'),
      'request',
    );
  };
}

// What JSON takes between quotes as it is.
const PLAIN = /^[ !#-[\]-~]*$/;

function asJson(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

function sentBy(res: ServerResponse): Sent {
  const cache = res.getHeader('cache-status');
  const length = Number(res.getHeader('content-length') ?? 0);
  return typeof cache === 'string' ? { length, cache, outcome: outcomeOf(cache) } : { length };
}
