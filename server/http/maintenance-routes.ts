import { type Request, type Response, Router } from 'express';
import type { Authorizer } from '../access/authorizer.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { AcceptedJob } from './accepted-job.ts';
import { actorOf, contextOf } from './request-context.ts';

/** `POST /admin/verify`: re-hash and repair. `POST /admin/gc`: remove what nothing refers to. Both answer with a job. */
export function maintenanceRoutes(parts: {
  readonly jobs: Jobs;
  readonly access: Authorizer;
  readonly accepted: AcceptedJob;
}): Router {
  const { jobs, access, accepted } = parts;
  const router = Router();
  const route = (path: string, kind: 'verify-blobs' | 'collect-garbage') => {
    router.post(path, async (req: Request, res: Response) => {
      access.authorize(contextOf(req).principal, 'admin', { kind: 'server' });
      await accepted(res, (await jobs.addOnce(kind, {}, actorOf(req))).id);
    });
  };
  route('/admin/verify', 'verify-blobs');
  route('/admin/gc', 'collect-garbage');
  return router;
}
