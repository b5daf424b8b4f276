import type { IncomingMessage } from 'node:http';
import type { NextFunction, Request, Response } from 'express';
import type { Authorizer } from '../access/authorizer.ts';
import { Problem } from '../problem.ts';
import { contextOf } from './request-context.ts';

// Health is asked by machines that have no token; an identity token is exchanged by those that have none yet, and what is burnt
// stands in the body.
const OPEN_PATHS = /^\/(?:livez|readyz|_\/oidc\/(?:audience|(?:github\/)?mint-token|burn-token))$/;
const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS'];

/**
 * A middleware that finds out who asks and puts it in the request's context.
 *
 * Credentials that are not valid are refused on every path, even where none are needed: a client that meant to be somebody is told
 * that it is not, rather than being shown less. Where anonymous may not read, every path and method is refused to the anonymous
 * alike, so that nothing can be learnt from the answer. Open to all are only the health checks and the exchange of identity
 * tokens and its end. What a page of another site makes a browser send is refused, since browsers add what they remember of Basic.
 *
 * Throws `invalid-credentials`, `rate-limited`, `credentials-required`, `forbidden`.
 */
export function authenticate({
  access,
}: {
  access: Authorizer;
}): (req: Request, res: Response, next: NextFunction) => Promise<void> {
  return async (req, _res, next) => {
    await identifyRequest(req, access);
    next();
  };
}

async function identifyRequest(req: IncomingMessage, access: Authorizer): Promise<void> {
  const path = req.url?.split('?', 1)[0] ?? '';
  if (OPEN_PATHS.test(path)) return;
  const context = contextOf(req);
  context.principal = await access.identify(req.headers.authorization, context.address);
  if (context.principal.kind === 'anonymous') access.authorize(context.principal, 'read', { kind: 'server' });
  if (!SAFE_METHODS.includes(req.method ?? '') && isCrossSite(req)) {
    throw new Problem('forbidden', 'This request was made by a page of another site.');
  }
}

/** Did a page of another origin make a browser send this? Clients that are no browsers send none of these headers. */
function isCrossSite(req: IncomingMessage): boolean {
  const site = req.headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  const { origin, host } = req.headers;
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host;
}
