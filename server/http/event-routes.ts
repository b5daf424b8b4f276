import { Router } from 'express';
import { z } from 'zod';
import type { AuditTrail } from '../access/audit-trail.ts';
import type { Authorizer } from '../access/authorizer.ts';
import { isoTime } from './iso-time.ts';
import { contextOf } from './request-context.ts';
import { validated } from './validate.ts';

const text = z.string().min(1).max(300).optional();
const pageQuery = z.object({
  kind: text,
  subject: text,
  after: text,
  before: text,
  limit: z.coerce.number().int().min(1).max(999).default(100),
});

/**
 * `GET /admin/events`: the audit trail, newest first; with `after` oldest first, to follow it. `next` is the query of the next part,
 * or null. While following, it is there even when nothing new has come, so that one can ask again.
 */
export function eventRoutes({ audit, access }: { audit: AuditTrail; access: Authorizer }): Router {
  const router = Router();
  router.get('/admin/events', async (req, res) => {
    access.authorize(contextOf(req).principal, 'admin', { kind: 'server' });
    const query = validated(pageQuery, req.query);
    const { kind, subject, after, before, limit } = query;
    const page = await audit.page({
      limit,
      ...(kind === undefined ? {} : { kind }),
      ...(subject === undefined ? {} : { subject }),
      ...(after === undefined ? {} : { after }),
      ...(before === undefined ? {} : { before }),
    });
    const last = page.events.at(-1)?.id;
    const next = after === undefined ? (page.more ? { before: last } : undefined) : { after: last ?? after };
    res.set('Cache-Control', 'no-store').json({
      events: page.events.map(({ at, address, ...event }) => ({
        ...event,
        at: isoTime(at),
        address: address ?? null,
      })),
      next: next === undefined ? null : `?${queryText({ kind, subject, ...next, limit: String(limit) })}`,
    });
  });
  return router;
}

function queryText(values: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return new URLSearchParams(given).toString();
}
