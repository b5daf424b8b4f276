import { json, type Response, Router } from 'express';
import { z } from 'zod';
import type { Authorizer } from '../access/authorizer.ts';
import type { ReadOnlyMode } from '../moving/read-only-mode.ts';
import { isoTime } from './iso-time.ts';
import { actorOf, contextOf } from './request-context.ts';
import { validated } from './validate.ts';

const change = z.strictObject({
  on: z.boolean({ error: 'true or false' }),
  why: z.string().trim().min(1).max(200).default('an administrator wants it so'),
});

/** `GET /admin/read-only`, `POST /admin/read-only` `{"on": true, "why"?: …}`: whether writes are refused, on all nodes. */
export function readOnlyRoutes({ mode, access }: { readonly mode: ReadOnlyMode; readonly access: Authorizer }): Router {
  const router = Router();
  router.use('/admin/read-only', (req, res, next) => {
    access.authorize(contextOf(req).principal, 'admin', { kind: 'server' });
    res.set('Cache-Control', 'no-store');
    next();
  });
  router.get('/admin/read-only', async (_req, res) => {
    send(res, await mode.state());
  });
  router.post('/admin/read-only', json({ limit: '16kb', type: () => true }), async (req, res) => {
    send(res, await mode.set(validated(change, req.body), actorOf(req)));
  });
  return router;
}

function send(res: Response, state: Awaited<ReturnType<ReadOnlyMode['state']>>): void {
  res.json(state.on ? { ...state, since: isoTime(state.since) } : state);
}
