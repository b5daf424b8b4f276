import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { drained } from '../../storage/drained.ts';
import type { Authorizer } from '../access/authorizer.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { JOB_STATES, type JobItem } from '../model/job.ts';
import { itemView, jobView } from './job-view.ts';
import { actorOf, contextOf } from './request-context.ts';
import { validated } from './validate.ts';

const text = z.string().min(1).max(600).optional();
const listQuery = z.object({
  state: z.enum(JOB_STATES).optional(),
  before: text,
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});
const itemQuery = z.object({
  state: text,
  after: text,
  limit: z.coerce.number().int().min(1).max(1000).default(1000),
});

type OfJob = Request<{ id: string }>;

/**
 * `/admin/jobs`: what was asked for, how far it is, and what came of each thing; `DELETE` gives a job up. `GET …/{id}/events` sends the same
 * as server-sent events (`job`, `file`) until the job has finished. `closing` ends these streams.
 */
export function jobRoutes(parts: {
  readonly jobs: Jobs;
  readonly access: Authorizer;
  readonly closing: AbortSignal;
}): Router {
  const { jobs, access, closing } = parts;
  const router = Router();
  router.use('/admin/jobs', (req, res, next) => {
    access.authorize(contextOf(req).principal, 'admin', { kind: 'server' });
    res.set('Cache-Control', 'no-store');
    next();
  });
  router.get('/admin/jobs', async (req, res) => {
    const { state, before, limit } = validated(listQuery, req.query);
    const found = await jobs.list({
      limit,
      ...(state === undefined ? {} : { state }),
      ...(before === undefined ? {} : { before }),
    });
    const last = found.length === limit ? found.at(-1)?.id : undefined;
    const next =
      last === undefined
        ? null
        : `?${new URLSearchParams({ ...(state && { state }), before: last, limit: String(limit) })}`;
    res.json({ jobs: found.map(jobView), next });
  });
  router.get('/admin/jobs/:id', async (req: OfJob, res) => {
    const { state, after, limit } = validated(itemQuery, req.query);
    const { id } = req.params;
    const job = await jobs.get(id);
    const filter = { limit, ...(state === undefined ? {} : { state }), ...(after === undefined ? {} : { after }) };
    const items = await jobs.items(id, filter);
    const last = items.length === limit ? items.at(-1)?.key : undefined;
    const next =
      last === undefined
        ? null
        : `?${new URLSearchParams({ ...(state && { state }), after: last, limit: String(limit) })}`;
    // Who looks first wants to know what failed, wherever in the order it stands.
    const failed =
      last !== undefined && state === undefined && after === undefined
        ? await jobs.items(id, { state: 'failed', limit })
        : [];
    const shown = new Map([...failed, ...items].map((item) => [item.key, item]));
    res.json({ ...jobView(job), outcomes: await jobs.itemCounts(id), files: [...shown.values()].map(itemView), next });
  });
  router.delete('/admin/jobs/:id', async (req: OfJob, res) => {
    res.json(jobView(await jobs.cancel(req.params.id, actorOf(req))));
  });
  router.get('/admin/jobs/:id/events', async (req: OfJob, res) => {
    await jobs.get(req.params.id);
    await sendEvents(req, res, { jobs, closing });
  });
  return router;
}

async function sendEvents(
  req: OfJob,
  res: Response,
  { jobs, closing }: { readonly jobs: Jobs; readonly closing: AbortSignal },
): Promise<void> {
  const left = new AbortController();
  res.once('close', () => left.abort());
  res.writeHead(200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store',
    // Proxies that gather answers would gather these for ever.
    'X-Accel-Buffering': 'no',
  });
  res.flushHeaders();
  const after = Number(req.headers['last-event-id'] ?? 0);
  const signal = AbortSignal.any([left.signal, closing]);
  const options = Number.isSafeInteger(after) && after > 0 ? { signal, after } : { signal };
  for await (const { job, items } of jobs.follow(req.params.id, options)) {
    const events = [
      ...items.map(fileEvent),
      `id: ${job.revision}\nevent: job\ndata: ${JSON.stringify(jobView(job))}\n\n`,
    ];
    if (!res.write(events.join(''))) await drained(res);
  }
  res.end();
}

function fileEvent(item: JobItem): string {
  return `event: file\ndata: ${JSON.stringify(itemView(item))}\n\n`;
}
