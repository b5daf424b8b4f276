import { json, type Request, Router } from 'express';
import { z } from 'zod';
import type { Authorizer } from '../access/authorizer.ts';
import { PROJECT_STATUSES } from '../model/distribution-file.ts';
import { parseProjectName } from '../model/project-name.ts';
import type { ProjectAdmin, ProjectKey } from '../uploads/manage.ts';
import { actorOf, contextOf } from './request-context.ts';
import { validated } from './validate.ts';

// Installers print it on terminals.
const sentence = z
  .string()
  .trim()
  .max(1000)
  .regex(/^[^\p{C}]*$/u, { error: 'Control characters have no place in a reason' });

const statusChange = z.strictObject({
  status: z.enum(PROJECT_STATUSES).nullable(),
  reason: sentence.optional(),
});
// Of a text that is no reason it is said what is wrong with it; of anything else what is expected.
const orReason = ({ input }: { readonly input?: unknown }) =>
  typeof input === 'string' ? undefined : 'Expected true, false or a reason';
const yankChange = z.strictObject({ yanked: z.union([z.boolean(), sentence], { error: orReason }) });

type Params = { repository: string; project: string };

/**
 * `/admin/repositories/{repository}/projects/{project}…`: project status, yank and unyank, delete. For admins, also for those
 * whose token is limited to this project.
 */
export function projectAdminRoutes({ admin, access }: { admin: ProjectAdmin; access: Authorizer }): Router {
  const router = Router();
  const base = '/admin/repositories/:repository/projects/:project';
  const body = json({ limit: '64kb', type: () => true });
  const keyOf = ({ params }: Request<Params>): ProjectKey => ({
    repository: params.repository,
    project: parseProjectName(params.project),
  });
  // Before any body is read.
  router.use(base, (req: Request<Params>, res, next) => {
    access.authorize(contextOf(req).principal, 'admin', { kind: 'project', name: keyOf(req).project });
    res.set('Cache-Control', 'no-store');
    next();
  });
  router.patch(base, body, async (req: Request<Params>, res) => {
    const key = keyOf(req);
    const wanted = validated(statusChange, req.body);
    await admin.setStatus(key, wanted, actorOf(req));
    res.json({ ...key, ...wanted });
  });
  router.patch(`${base}/releases/:version`, body, async (req: Request<Params & { version: string }>, res) => {
    const key = keyOf(req);
    const { yanked } = validated(yankChange, req.body);
    const version = await admin.yank(key, req.params.version, yanked, actorOf(req));
    res.json({ ...key, version, yanked: yanked === '' ? true : yanked });
  });
  router.delete(`${base}/releases/:version`, async (req: Request<Params & { version: string }>, res) => {
    await admin.deleteRelease(keyOf(req), req.params.version, actorOf(req));
    res.status(204).end();
  });
  router.delete(`${base}/files/:filename`, async (req: Request<Params & { filename: string }>, res) => {
    await admin.deleteFile(keyOf(req), req.params.filename, actorOf(req));
    res.status(204).end();
  });
  return router;
}
