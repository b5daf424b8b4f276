import { json, Router } from 'express';
import { z } from 'zod';
import type { Authorizer } from '../access/authorizer.ts';
import type { TokenRecord, Tokens } from '../access/tokens.ts';
import { ACTIONS } from '../model/access.ts';
import { Problem } from '../problem.ts';
import { parseInstant } from './index-path.ts';
import { isoTime } from './iso-time.ts';
import { actorOf, contextOf } from './request-context.ts';
import { validated } from './validate.ts';

const SERVER = { kind: 'server' } as const;

const patternList = z.array(z.string().max(300)).max(100).nullish();

const wantedToken = z.strictObject({
  name: z
    .string()
    .trim()
    .min(1)
    .max(100)
    .regex(/^[^\p{C}]*$/u, { error: 'Control characters have no place in a name' }),
  can: z.array(z.enum(ACTIONS)).min(1).max(20),
  projects: patternList,
  apps: patternList,
  expiresAt: z.string().transform(instant).nullish(),
});

/** As `parseInstant`, with a complaint that fits a body. */
function instant(text: string, context: z.RefinementCtx): number {
  try {
    return parseInstant(text);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    context.addIssue({ code: 'custom', message: 'Expected a date (2026-01-31) or an RFC 3339 time with a zone' });
    return z.NEVER;
  }
}

const listQuery = z.object({ after: z.string().max(100).optional() });

/** `/admin/tokens`: make, list and revoke tokens. For admins whose own token is not limited to some names. */
export function tokenRoutes({ tokens, access }: { tokens: Tokens; access: Authorizer }): Router {
  const router = Router();
  router.use('/admin/tokens', (req, res, next) => {
    access.authorize(contextOf(req).principal, 'admin', SERVER);
    res.set('Cache-Control', 'no-store');
    next();
  });
  router.get('/admin/tokens', async (req, res) => {
    const { after } = validated(listQuery, req.query);
    res.json({ tokens: (await tokens.list({ after })).map(view) });
  });
  router.post('/admin/tokens', json({ limit: '64kb', type: () => true }), async (req, res) => {
    const { expiresAt, ...wanted } = validated(wantedToken, req.body);
    const { principal } = contextOf(req);
    const made = await tokens.create({ ...wanted, expiresAt: expiresAt ?? undefined }, principal, actorOf(req));
    res.status(201).json({ ...view(made.token), token: made.secret });
  });
  router.delete('/admin/tokens/:id', async (req, res) => {
    await tokens.revoke(req.params.id, actorOf(req));
    res.status(204).end();
  });
  return router;
}

function view(token: TokenRecord) {
  return {
    id: token.id,
    name: token.name,
    kind: token.kind,
    can: token.can,
    projects: token.projects ?? null,
    apps: token.apps ?? null,
    createdAt: isoTime(token.createdAt),
    createdBy: token.createdBy,
    expiresAt: isoTime(token.expiresAt),
    lastUsedAt: isoTime(token.lastUsedAt),
  };
}
