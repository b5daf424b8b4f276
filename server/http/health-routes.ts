import { type Request, type Response, Router } from 'express';
import type { BlobStore } from '../../storage/blob-store.ts';
import type { Authorizer } from '../access/authorizer.ts';
import type { Browse } from '../browse/overview.ts';
import { problemOf } from '../failure.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { ReadOnlyMode } from '../moving/read-only-mode.ts';
import { isoTime } from './iso-time.ts';
import { mayReadSomething } from './may-read.ts';
import { onlyMethods } from './only-methods.ts';

export interface HealthParts {
  readonly browse: Browse;
  readonly blobs: BlobStore;
  /** Rejects when the catalog does not answer. */
  readonly pingCatalog: () => Promise<void>;
  /** What an administrator should set, such as an upstream that could not be found. */
  readonly warnings: readonly string[];
  readonly readOnly: ReadOnlyMode;
  /** The server takes no new work: a load balancer should send requests elsewhere. */
  readonly isStopping: () => boolean;
  readonly log: Logger;
  /** Room for more bytes, of a store whose copies do not make way by themselves. */
  readonly spareBytes?: (() => Promise<number>) | undefined;
}

/**
 * `/livez` and `/readyz`: open to everybody, for load balancers. An upstream that is down does not make it unready. The log has why once,
 * however often is asked.
 */
export function healthRoutes(parts: HealthParts): Router {
  const router = Router();
  const told = new Set<string>();
  const why = async (what: string, check: () => Promise<void>): Promise<string | undefined> => {
    try {
      await check();
      told.delete(what);
      return undefined;
    } catch (error) {
      if (!told.has(what)) parts.log.error({ err: error }, `not ready: the ${what} does not work`);
      told.add(what);
      return `${what}: ${problemOf(error).title}`;
    }
  };
  router.get('/livez', (_req: Request, res: Response) => {
    answer(res, 200, { status: 'alive' });
  });
  router.get('/readyz', async (_req: Request, res: Response) => {
    const reasons = (
      await Promise.all([why('catalog', parts.pingCatalog), why('storage', () => parts.blobs.check())])
    ).filter((reason) => reason !== undefined);
    if (parts.isStopping()) reasons.push('the server is stopping');
    const isReady = reasons.length === 0;
    const warnings = isReady
      ? [...(await refusal(parts.readOnly)), ...(await noRoom(parts)), ...parts.warnings]
      : parts.warnings;
    if (!isReady) res.setHeader('Retry-After', '5');
    answer(res, isReady ? 200 : 503, {
      status: isReady ? 'ready' : 'unready',
      ...(isReady ? {} : { reasons }),
      upstreams: parts.browse.conditions(),
      ...(warnings.length === 0 ? {} : { warnings }),
    });
  });
  router.all(['/livez', '/readyz'], onlyMethods('GET, HEAD'));
  return router;
}

/** `/metrics`: Prometheus text. For whoever may read. */
export function metricsRoutes({ metrics, access }: { readonly metrics: Metrics; readonly access: Authorizer }): Router {
  const router = Router();
  router.get('/metrics', async (req: Request, res: Response) => {
    mayReadSomething(access, req);
    res.setHeader('Content-Type', metrics.registry.contentType);
    res.setHeader('Cache-Control', 'no-store');
    res.end(await metrics.registry.metrics());
  });
  router.all('/metrics', onlyMethods('GET, HEAD'));
  return router;
}

/** Reading goes on, so such a server is ready all the same. */
async function refusal(mode: ReadOnlyMode): Promise<readonly string[]> {
  const state = await mode.state();
  return state.on ? [`writes are refused since ${isoTime(state.since)}: ${state.why}`] : [];
}

/** Builds go on meanwhile, so that nobody else would notice that nothing of them is kept. */
async function noRoom({ spareBytes }: HealthParts): Promise<readonly string[]> {
  if (spareBytes === undefined) return [];
  const spare = await spareBytes().catch(() => undefined);
  if (spare === undefined) return ['how much room there is cannot be told'];
  return spare > 0 ? [] : ['there is no room: uploads are refused, and nothing that comes from upstreams is kept'];
}

function answer(res: Response, status: number, body: object): void {
  res.setHeader('Content-Type', 'application/json');
  res.setHeader('Cache-Control', 'no-store');
  res.statusCode = status;
  res.end(JSON.stringify(body));
}
