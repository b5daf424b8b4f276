import { type Request, Router } from 'express';
import { z } from 'zod';
import type { Authorizer } from '../access/authorizer.ts';
import type { KeptLocks, KeptLockView } from '../mirroring/kept-locks.ts';
import { isoTime } from './iso-time.ts';
import { actorOf, contextOf } from './request-context.ts';
import { sendLock } from './send-lock.ts';
import { validated } from './validate.ts';

const listQuery = z.object({
  after: z.string().max(100).default(''),
  limit: z.coerce.number().int().min(1).max(1000).default(1000),
});
const textQuery = z.object({ version: z.string().max(100).optional() });

type OfLock = Request<{ name: string }>;

/** `/admin/locks`: locks that are kept, and since when each is ready or not; their texts; `DELETE` keeps one no longer. */
export function lockRoutes({ locks, access }: { readonly locks: KeptLocks; readonly access: Authorizer }): Router {
  const router = Router();
  router.use('/admin/locks', (req, res, next) => {
    access.authorize(contextOf(req).principal, 'admin', { kind: 'server' });
    res.set('Cache-Control', 'no-store');
    next();
  });
  router.get('/admin/locks', async (req, res) => {
    const { after, limit } = validated(listQuery, req.query);
    const found = await locks.list(after, limit);
    const last = found.length === limit ? found.at(-1)?.name : undefined;
    const next = last === undefined ? null : `?${new URLSearchParams({ after: last, limit: String(limit) })}`;
    res.json({ locks: found.map(view), next });
  });
  router.get('/admin/locks/:name', async (req: OfLock, res) => {
    const { versions, ...lock } = await locks.get(req.params.name);
    res.json({
      ...view(lock),
      versions: versions.map(({ lock: version, keptAt, keptBy }) => ({ version, keptAt: isoTime(keptAt), keptBy })),
    });
  });
  router.get('/admin/locks/:name/text', async (req: OfLock, res) => {
    const { version } = validated(textQuery, req.query);
    sendLock(req, res, await locks.text(req.params.name, version));
  });
  router.delete('/admin/locks/:name', async (req: OfLock, res) => {
    await locks.drop(req.params.name, actorOf(req));
    res.status(204).end();
  });
  return router;
}

function view({
  name,
  lock,
  options,
  ready,
  readySince,
  checkedAt,
  keptAt,
  keptBy,
  missing,
  missingCount,
  watch,
}: KeptLockView) {
  return {
    name,
    ready,
    since: isoTime(readySince),
    checkedAt: isoTime(checkedAt),
    version: lock,
    keptAt: isoTime(keptAt),
    keptBy,
    index: options.index ?? null,
    targets: options.targets,
    sdists: options.sdists,
    missing,
    missingCount,
    watch:
      watch === undefined
        ? null
        : {
            url: watch.url,
            everySeconds: Math.round(watch.everyMs / 1000),
            watchedAt: isoTime(watch.watchedAt),
            error: watch.error ?? null,
          },
  };
}
