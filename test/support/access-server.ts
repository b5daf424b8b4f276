import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { type Request, type Response, Router } from 'express';
import { createHttpApp } from '../../server/http/app.ts';
import { authenticate } from '../../server/http/authenticate.ts';
import { eventRoutes } from '../../server/http/event-routes.ts';
import { oidcRoutes } from '../../server/http/oidc-routes.ts';
import { contextOf } from '../../server/http/request-context.ts';
import { RequestsUnderWay } from '../../server/http/requests-under-way.ts';
import { tokenRoutes } from '../../server/http/token-routes.ts';
import { forwardedReader } from '../../server/http/trusted-proxy.ts';
import { createLogger } from '../../server/log.ts';
import { Metrics } from '../../server/metrics.ts';
import type { Action, Resource } from '../../server/model/access.ts';
import { type AccessOptions, type TestAccess, testAccess } from './test-access.ts';

export interface AccessServer extends TestAccess {
  readonly url: string;
  readonly metrics: Metrics;
  /** Every line of the log so far. */
  readonly logged: string[];
}

/** A right that some route needs, for a route that does nothing else. */
export interface ProbeRoute {
  readonly method: string;
  readonly path: string;
  readonly action: Action;
  readonly on: Resource;
}

/** The routes of access control over loopback, behind `authenticate`, and beside them `probes` that only ask for a right. */
export async function accessServer(
  t: TestContext,
  options: AccessOptions & {
    readonly trustProxy?: readonly string[];
    readonly probes?: readonly ProbeRoute[];
  } = {},
): Promise<AccessServer> {
  const { trustProxy = [], probes = [], ...settings } = options;
  const parts = await testAccess(t, settings);
  const { authorizer: access, tokens, audit, publishing, clock } = parts;
  const logged: string[] = [];
  const forwarded = forwardedReader(trustProxy);
  const metrics = new Metrics({ withProcess: false, routes: [] });
  const app = createHttpApp({
    clock,
    metrics,
    requests: new RequestsUnderWay(),
    log: createLogger({ level: 'trace' }, { write: (line: string) => void logged.push(line) }),
    addressOf: (req) => forwarded(req).address,
    hot: () => false,
    open: [],
    authenticate: authenticate({ access }),
    routers: [
      tokenRoutes({ tokens, access }),
      eventRoutes({ audit, access }),
      oidcRoutes({ publishing }),
      probeRoutes(probes, access),
    ],
  });
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { ...parts, metrics, logged, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function probeRoutes(probes: readonly ProbeRoute[], access: TestAccess['authorizer']): Router {
  const router = Router();
  for (const { method, path, action, on } of probes) {
    router.all(path, (req: Request, res: Response, next) => {
      if (req.method !== method) return next();
      access.authorize(contextOf(req).principal, action, on);
      res.status(204).end();
    });
  }
  router.get(['/livez', '/readyz'], (_req, res) => {
    res.json({});
  });
  return router;
}
