import { type Request, type Response, Router } from 'express';
import type { Authorizer } from '../access/authorizer.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { actorOf, contextOf } from './request-context.ts';

/** `POST /admin/verify`: re-hash and repair. `POST /admin/gc`: remove what nothing refers to. Both answer with a job. */
export function maintenanceRoutes({ jobs, access }: { readonly jobs: Jobs; readonly access: Authorizer }): Router {
  const router = Router();
  const route = (path: string, kind: 'verify-blobs' | 'collect-garbage') => {
    router.post(path, async (req: Request, res: Response) => {
      access.authorize(contextOf(req).principal, 'admin', { kind: 'server' });
      const { id, state } = await jobs.addOnce(kind, {}, actorOf(req));
      res.status(202).location(`/admin/jobs/${id}`).json({ id, state });
    });
  };
  route('/admin/verify', 'verify-blobs');
  route('/admin/gc', 'collect-garbage');
  return router;
}
