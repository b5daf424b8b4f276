import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import express, { type NextFunction, type Request, type Response, type Router } from 'express';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { Problem } from '../problem.ts';
import { allowedMethods } from './allowed-methods.ts';
import { ConnectionTurns } from './connection-turns.ts';
import { faultOfHead } from './fault-of-head.ts';
import { viewPrefixOf } from './index-path.ts';
import { sendProblem } from './problem-response.ts';
import { beginContext, contextOf } from './request-context.ts';
import { requestLog } from './request-log.ts';
import type { RequestsUnderWay } from './requests-under-way.ts';

export interface AppParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Told of every request, from when it comes to the end of its answer. */
  readonly requests: RequestsUnderWay;
  /** The client's address, of a trusted proxy's client when it says so. */
  readonly addressOf: (req: IncomingMessage) => string;
  /** Answers in front of Express, or says `false`. */
  readonly hot: (req: IncomingMessage, res: ServerResponse) => boolean;
  /** Open to everybody, before anybody is identified. */
  readonly open: readonly Router[];
  /** Says who asks; ends what must not go on. */
  readonly authenticate: (req: Request, res: Response, next: NextFunction) => void | Promise<void>;
  /** In order; the last ones take the widest addresses. */
  readonly routers: readonly Router[];
}

// Behind what says which index and view are meant.
const TEXT_ROUTE = /^\/+(?:simple|legacy|pypi|integrity)(?:[/?]|$)/;

/** The whole HTTP side: what is hot in front, all else through Express, and the two ends where errors arrive. */
export function createHttpApp(parts: AppParts): RequestListener {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  for (const router of parts.open) app.use(router);
  app.use(parts.authenticate);
  const routers = [...parts.open, ...parts.routers];
  app.options('/{*path}', (req, res, next) => {
    const allowed = allowedMethods(routers, req.path);
    if (allowed.length === 0) return next();
    res.writeHead(204, { Allow: [...allowed, 'OPTIONS'].join(', ') }).end();
  });
  for (const router of parts.routers) app.use(router);
  app.use((req) => {
    const allowed = allowedMethods(routers, req.path);
    if (allowed.length === 0 || allowed.includes(req.method)) {
      throw new Problem('not-found', 'There is nothing at this address.');
    }
    const methods = allowed.join(', ');
    throw new Problem('method-not-allowed', `This address takes ${methods}.`, { headers: { Allow: methods } });
  });
  // Express tells an error handler by its four parameters.
  app.use((error: unknown, req: Request, res: Response, _next: NextFunction) => {
    const behindView = req.originalUrl.slice(viewPrefixOf(req.originalUrl).length);
    sendProblem(req, res, error, { style: TEXT_ROUTE.test(behindView) ? 'text' : 'problem+json' });
  });

  const { clock, log, requests } = parts;
  const logged = requestLog(parts);
  const turns = new ConnectionTurns((req) => {
    const from = parts.addressOf(req);
    log.warn({ from }, 'a client sent too many requests ahead of their answers; its connection was cut');
  });
  // One for all: a function for each request is a good part of what a short answer costs.
  function closed(this: ServerResponse): void {
    requests.ended(this);
    logged(this);
    const next = turns.ended(this);
    if (next !== undefined) answer(next.req, next);
  }
  function answer(req: IncomingMessage, res: ServerResponse): void {
    const fault = faultOfHead(req);
    if (fault !== undefined) {
      sendProblem(req, res, new Problem('malformed-request', fault), { style: 'problem+json' });
      return;
    }
    if (parts.hot(req, res)) return;
    res.setHeader('X-Request-Id', contextOf(req).id);
    app(req, res);
  }
  return (req, res) => {
    const turn = turns.turnOf(req, res);
    if (turn === 'never') return;
    beginContext(req, { address: parts.addressOf(req), nowMs: clock.nowMs(), log });
    requests.begin(res);
    res.on('close', closed);
    if (turn === 'now') answer(req, res);
  };
}
