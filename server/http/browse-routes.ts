import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import type { Authorizer } from '../access/authorizer.ts';
import type { Browse } from '../browse/overview.ts';
import type { Metrics } from '../metrics.ts';
import { type ProjectName, parseProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import { explain } from '../repository/explain.ts';
import type { FirstMatch } from '../repository/first-match.ts';
import { contextOf } from './request-context.ts';
import { validated } from './validate.ts';

export interface BrowseRoutesParts {
  readonly browse: Browse;
  readonly metrics: Metrics;
  readonly access: Authorizer;
  readonly index: (name: string | undefined) => FirstMatch | undefined;
  /** Asks every upstream that could answer for the project, now. Answers their names. */
  readonly refresh: (name: ProjectName) => Promise<readonly string[]>;
}

const QUERY = z.object({
  project: z.string().max(214),
  index: z.string().max(100).optional(),
  version: z.string().max(200).optional(),
  filename: z.string().max(255).optional(),
});

/** `GET /admin/upstreams`, `/admin/stats`, `/admin/explain`, `POST /admin/projects/{project}/refresh`. For administrators. */
export function browseRoutes(parts: BrowseRoutesParts): Router {
  const { browse, metrics, access } = parts;
  const router = Router();
  const admin = (req: Request) => access.authorize(contextOf(req).principal, 'admin', { kind: 'server' });

  router.get('/admin/upstreams', async (req: Request, res: Response) => {
    admin(req);
    res.json({ upstreams: await browse.upstreams() });
  });
  router.get('/admin/stats', async (req: Request, res: Response) => {
    admin(req);
    res.json({ ...(await browse.overview()), hitRate: metrics.hitRate() });
  });
  router.get('/admin/explain', async (req: Request, res: Response) => {
    admin(req);
    const asked = validated(QUERY, req.query);
    const index = parts.index(asked.index);
    if (index === undefined) throw new Problem('index-not-found', 'There is no index of that name.');
    res.json(await explain(index, asked));
  });
  router.post('/admin/projects/:project/refresh', async (req: Request, res: Response) => {
    admin(req);
    const name = parseProjectName(String(req.params.project));
    res.json({ project: name, refreshed: await parts.refresh(name) });
  });
  return router;
}
