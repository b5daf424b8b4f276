import { type Request, Router } from 'express';
import { z } from 'zod';
import type { Authorizer } from '../access/authorizer.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { LockOrders } from '../mirroring/lock-orders.ts';
import type { LockRewriter } from '../mirroring/lock-rewriter.ts';
import type { AcceptedJob } from './accepted-job.ts';
import { lockBody, lockOrder } from './lock-request.ts';
import { actorOf, contextOf } from './request-context.ts';
import { sendLock } from './send-lock.ts';
import { validated } from './validate.ts';

const lockQuery = z.object({ urls: z.enum(['here', 'canonical']).default('here') });

/**
 * `POST /admin/mirror`: store what a lock needs, as a job. `GET /admin/jobs/{id}/lock`: the same lock, outage-proof. `POST /admin/drill`:
 * would it install with nothing but this server?
 */
export function mirrorRoutes(parts: {
  readonly orders: LockOrders;
  readonly rewriter: LockRewriter;
  readonly jobs: Jobs;
  readonly access: Authorizer;
  readonly originOf: (req: Request) => string;
  readonly accepted: AcceptedJob;
  readonly maxLockBytes: number;
}): Router {
  const { orders, rewriter, jobs, access, originOf, accepted, maxLockBytes } = parts;
  const router = Router();
  const body = lockBody(maxLockBytes);
  // Before any body is read.
  router.use(['/admin/mirror', '/admin/drill', '/admin/jobs/:id/lock'], (req, res, next) => {
    access.authorize(contextOf(req).principal, 'admin', { kind: 'server' });
    res.set('Cache-Control', 'no-store');
    next();
  });
  router.post('/admin/mirror', body, async (req, res) => {
    const id = await orders.mirror(lockOrder(req, maxLockBytes), actorOf(req));
    jobs.wake();
    await accepted(res, id);
  });
  router.post('/admin/drill', body, async (req, res) => {
    res.json(await orders.drill(lockOrder(req, maxLockBytes)));
  });
  router.get('/admin/jobs/:id/lock', async (req, res) => {
    const { urls } = validated(lockQuery, req.query);
    sendLock(req, res, await rewriter.ofJob(req.params.id, { urls, origin: originOf(req) }));
  });
  return router;
}
