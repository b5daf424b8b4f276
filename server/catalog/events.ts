import type { Actor } from '../model/access.ts';
import { all, prepared, run, type Script } from './catalog.ts';
import { sql } from './schema.ts';
import { sortableId } from './sortable-id.ts';

/** Facts of an event that have no column; what JSON can say. No secrets. */
type EventDetail = Readonly<Record<string, unknown>>;

export interface NewEvent {
  /** What happened, in the past tense: `upload`, `channel-promoted`. */
  readonly kind: string;
  readonly actor: Actor;
  /** What it happened to, such as `project/flask`, `bundle/editor`, `token/ci`. */
  readonly subject: string;
  readonly detail?: EventDetail;
  /** Milliseconds. */
  readonly at: number;
}

/** An entry of the audit trail. */
export interface AuditEvent {
  /** Unique; sorts by time. */
  readonly id: string;
  readonly at: number;
  readonly kind: string;
  readonly by: string;
  readonly address?: string;
  readonly subject: string;
  readonly detail: EventDetail;
}

export interface EventFilter {
  readonly kind?: string;
  readonly subject?: string;
  /** Only events older than this id, newest first: the way through history. The default, from the newest on. */
  readonly before?: string;
  /** Only events newer than this id, oldest first: the way to follow. Wins over `before`. */
  readonly after?: string;
  /** At most so many; bounded by 1,000. */
  readonly limit: number;
}

const insertEvent = prepared(
  (p: { id: string; at: number; kind: string; by: string; address: string | null; subject: string; detail: string }) =>
    sql.insertInto('event').values({
      id: p.id,
      at: p.at,
      kind: p.kind,
      by: p.by,
      address: p.address,
      subject: p.subject,
      detail: p.detail,
    }),
);

/** Adds to the audit trail. Belongs in the script that makes the change. */
export function* appendEvent({ kind, actor, subject, detail = {}, at }: NewEvent): Script<void> {
  const address = actor.address ?? null;
  yield* run(
    insertEvent({ id: sortableId(at), at, kind, by: actor.name, address, subject, detail: JSON.stringify(detail) }),
  );
}

/** A part of the audit trail. */
export function* listEvents({ kind, subject, before, after, limit }: EventFilter): Script<readonly AuditEvent[]> {
  let query = sql
    .selectFrom('event')
    .selectAll()
    .limit(Math.min(Math.max(limit, 1), 1000));
  if (kind !== undefined) query = query.where('kind', '=', kind);
  if (subject !== undefined) query = query.where('subject', '=', subject);
  if (after !== undefined) query = query.where('id', '>', after).orderBy('id');
  else {
    if (before !== undefined) query = query.where('id', '<', before);
    query = query.orderBy('id', 'desc');
  }
  const rows = yield* all(query);
  return rows.map(({ address, detail, ...row }) => ({
    ...row,
    ...(address === null ? {} : { address }),
    detail: JSON.parse(detail) as EventDetail,
  }));
}
