import { Router } from 'express';
import type { Authorizer } from '../access/authorizer.ts';
import type { SourceShelf } from '../mirroring/source-shelf.ts';
import { parseProjectName } from '../model/project-name.ts';
import { contextOf } from './request-context.ts';
import { sendFile } from './send-file.ts';

/** `GET /sources/{project}/{filename}`: an archive that is kept for a URL or VCS requirement. Rewritten locks point here. */
export function sourceRoutes(parts: {
  readonly shelf: SourceShelf;
  readonly access: Authorizer;
  readonly isPublic: boolean;
}): Router {
  const { shelf, access, isPublic } = parts;
  const router = Router();
  router.get('/sources/:project/:filename', async (req, res) => {
    const project = parseProjectName(req.params.project);
    access.authorize(contextOf(req).principal, 'read', { kind: 'project', name: project });
    await sendFile(req, res, await shelf.file(project, req.params.filename), { isPublic });
  });
  return router;
}
