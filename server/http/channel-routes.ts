import { json, type Request, Router } from 'express';
import { z } from 'zod';
import type { Authorizer } from '../access/authorizer.ts';
import type { Bundles } from '../bundles/bundles.ts';
import { parseAppName, parseBundleVersionText, parseChannelName } from '../model/bundle.ts';
import { Problem } from '../problem.ts';
import { one, parseLimit, plussed, reason } from './bundle-request.ts';
import { channelView, expiredView, moveView, retentionView } from './bundle-views.ts';
import { actorOf, contextOf } from './request-context.ts';
import { validated } from './validate.ts';

const MAX_MOVES = 1000;
const body = json({ limit: '64kb', type: () => true });

const promotion = z.strictObject({
  version: z.string(),
  expected: z.string().nullable().optional(),
  why: reason.nullable().optional(),
  force: z.boolean().optional(),
});

const undoing = z.strictObject({
  expected: z.string().nullable().optional(),
  why: reason.nullable().optional(),
});

const count = (least: number) => z.int().min(least).max(100_000).nullable();
const kept = z.strictObject({ keep: count(1), keepPerChannel: count(0).default(null) });

/** Moving channels, removing versions and what retention keeps: `/bundles/{app}/channels/…`, `DELETE`, `/bundles/{app}/retention`. */
export function channelRoutes({ bundles, access }: { bundles: Bundles; access: Authorizer }): Router {
  // A version may be named RETENTION.
  const router = Router({ caseSensitive: true });
  const may = (req: Request, action: 'read' | 'bundle' | 'admin', name: string) =>
    access.authorize(contextOf(req).principal, action, { kind: 'app', name });

  router.use('/bundles', (_req, res, next) => {
    res.set('Cache-Control', 'private, no-cache').set('X-Content-Type-Options', 'nosniff');
    next();
  });

  router.get('/bundles/:app/channels', async (req, res) => {
    may(req, 'read', req.params.app);
    const { channels } = await bundles.app(parseAppName(req.params.app), { limit: 1 });
    res.json({ channels: Object.fromEntries(channels.map(({ name, version }) => [name, version])) });
  });

  router.get('/bundles/:app/channels/:channel', async (req, res) => {
    may(req, 'read', req.params.app);
    const channel = parseChannelName(req.params.channel);
    const { version, movedAt } = await bundles.pointer(parseAppName(req.params.app), { channel });
    res.json(channelView(channel, version, movedAt));
  });

  router.put('/bundles/:app/channels/:channel', body, async (req, res) => {
    may(req, 'bundle', req.params.app);
    const app = parseAppName(req.params.app);
    const channel = parseChannelName(req.params.channel);
    const { version, expected, why = null, force = false } = validated(promotion, req.body ?? {});
    if (force) may(req, 'admin', app);
    const move = await bundles.promote({
      ...{ app, channel, expected, why, force },
      version: parseBundleVersionText(version),
      actor: actorOf(req),
    });
    const now = await bundles.pointer(app, { channel });
    res.json({ ...channelView(channel, now.version, now.movedAt), move: move === undefined ? null : moveView(move) });
  });

  router.delete('/bundles/:app/channels/:channel', async (req, res) => {
    may(req, 'bundle', req.params.app);
    const app = parseAppName(req.params.app);
    const channel = parseChannelName(req.params.channel);
    const { expected, why = null } = validated(undoing, {
      expected: plussed(req.query.expected),
      why: one(req.query.why),
    });
    await bundles.removeChannel({ app, channel, expected, why, actor: actorOf(req) });
    res.status(204).end();
  });

  router.post('/bundles/:app/channels/:channel/rollback', body, async (req, res) => {
    may(req, 'bundle', req.params.app);
    const app = parseAppName(req.params.app);
    const channel = parseChannelName(req.params.channel);
    const { expected, why = null } = validated(undoing, req.body ?? {});
    const move = await bundles.rollback({ app, channel, expected, why, actor: actorOf(req) });
    const version = await bundles.resolve(app, { version: move.to });
    res.json({ ...channelView(channel, version, move.at), move: moveView(move) });
  });

  router.get('/bundles/:app/channels/:channel/history', async (req, res) => {
    may(req, 'read', req.params.app);
    const channel = parseChannelName(req.params.channel);
    const limit = parseLimit(req.query.limit, MAX_MOVES);
    const page = { limit, before: parseBefore(req.query.before) };
    const { moves, hasMore } = await bundles.history(parseAppName(req.params.app), channel, page);
    res.json({ moves: moves.map(moveView), previous: hasMore ? `?before=${moves[0]?.seq}&limit=${limit}` : null });
  });

  router.get('/bundles/:app/retention', async (req, res) => {
    may(req, 'read', req.params.app);
    res.json(retentionView(await bundles.retention(parseAppName(req.params.app))));
  });

  router.put('/bundles/:app/retention', body, async (req, res) => {
    may(req, 'bundle', req.params.app);
    const app = parseAppName(req.params.app);
    const wanted = validated(kept, req.body ?? {});
    const isTrial = ['1', 'true', ''].includes(String(req.query['dry-run'] ?? 'no'));
    res.json(
      retentionView(
        isTrial ? await bundles.retention(app, wanted) : await bundles.setRetention(app, wanted, actorOf(req)),
      ),
    );
  });

  router.delete('/bundles/:app/retention', async (req, res) => {
    may(req, 'bundle', req.params.app);
    res.json(retentionView(await bundles.setRetention(parseAppName(req.params.app), undefined, actorOf(req))));
  });

  router.post('/bundles/:app/retention/run', async (req, res) => {
    may(req, 'bundle', req.params.app);
    res.json(expiredView(await bundles.expire(parseAppName(req.params.app), actorOf(req))));
  });

  router.delete('/bundles/:app/:version', async (req, res) => {
    may(req, 'bundle', req.params.app);
    const version = parseBundleVersionText(req.params.version);
    await bundles.remove(parseAppName(req.params.app), version, actorOf(req));
    res.status(204).end();
  });
  return router;
}

function parseBefore(value: unknown): number | undefined {
  const text = one(value);
  if (text === undefined) return undefined;
  if (!/^[1-9][0-9]{0,14}$/.test(text)) throw new Problem('malformed-request', 'The number of a move was expected.');
  return Number(text);
}
