import { type Request, type Response, Router } from 'express';
import helmet from 'helmet';
import type { Authorizer } from '../access/authorizer.ts';
import type { Browse } from '../browse/overview.ts';
import { renderFrontPage } from '../ui/front-page.ts';
import { STYLE } from '../ui/style.ts';
import { mayReadSomething } from './may-read.ts';
import { onlyMethods } from './only-methods.ts';

export interface UiParts {
  readonly access: Authorizer;
  readonly browse: Browse;
  readonly version: string;
  readonly warnings: readonly string[];
  /** Scheme, host and prefix that clients use, without a slash at the end. */
  readonly originOf: (req: Request) => string;
}

/** The front page, for whoever may read, and its style sheet: plain HTML under a policy that allows no script at all. */
export function uiRoutes(parts: UiParts): Router {
  const router = Router();
  router.use(
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'none'"],
          styleSrc: ["'self'"],
          baseUri: ["'none'"],
          formAction: ["'none'"],
          frameAncestors: ["'none'"],
        },
      },
      strictTransportSecurity: false,
    }),
  );
  router.get('/', async (req: Request, res: Response) => {
    mayReadSomething(parts.access, req);
    const base = parts.originOf(req);
    const html = renderFrontPage({
      version: parts.version,
      indexUrl: `${base}/simple/`,
      uploadUrl: `${base}/legacy/`,
      overview: await parts.browse.overview(),
      upstreams: await parts.browse.upstreams(),
      warnings: parts.warnings,
      host: new URL(base).hostname,
    });
    res.setHeader('Cache-Control', 'no-store');
    res.type('html').send(html);
  });
  router.get('/assets/style.css', (_req: Request, res: Response) => {
    res.setHeader('Cache-Control', 'max-age=3600');
    res.type('css').send(STYLE);
  });
  router.all(['/', '/assets/style.css'], onlyMethods('GET, HEAD'));
  return router;
}
