import type { Actor } from '../model/access.ts';
import type { AppName, BundleVersionText, ChannelMove, ChannelName, MoveKind } from '../model/bundle.ts';
import { Problem } from '../problem.ts';
import { findVersion } from './bundles.ts';
import { all, first, prepared, run, type Script } from './catalog.ts';
import { appendEvent } from './events.ts';
import { sql } from './schema.ts';

/** Where a channel points. */
export interface ChannelState {
  readonly name: ChannelName;
  readonly version: BundleVersionText;
  readonly movedAt: number;
}

/** Who moves a channel, when, and under which condition. */
export interface MoveOrder {
  readonly app: AppName;
  readonly channel: ChannelName;
  /** The version that the channel has to point to still; `null`: it must not exist. Absent: whatever it points to. */
  readonly expected?: string | null | undefined;
  readonly why: string | null;
  readonly actor: Actor;
  readonly at: number;
}

export interface PromoteOrder extends MoveOrder {
  readonly version: BundleVersionText;
  /** Versions must have been in this channel before. */
  readonly after?: ChannelName | undefined;
  /** Promote although they have not. */
  readonly force: boolean;
}

const pointer = prepared((p: { app: string; channel: string }) =>
  sql
    .selectFrom('channel')
    .select(['version', 'seq', 'moved_at'])
    .where('app', '=', p.app)
    .where('name', '=', p.channel),
);

/** Where the channel points, or `undefined`. */
export function* findChannel(app: AppName, channel: ChannelName): Script<ChannelState | undefined> {
  const row = yield* first(pointer({ app, channel }));
  return row && { name: channel, version: row.version as BundleVersionText, movedAt: row.moved_at };
}

/** Every channel of the applications, by name. */
export function* listChannels(apps: readonly AppName[]): Script<readonly (ChannelState & { readonly app: AppName })[]> {
  if (apps.length === 0) return [];
  const rows = yield* all(
    sql
      .selectFrom('channel')
      .select(['app', 'name', 'version', 'moved_at'])
      .where('app', 'in', apps)
      .orderBy('app')
      .orderBy('name'),
  );
  return rows.map((row) => ({
    app: row.app as AppName,
    name: row.name as ChannelName,
    version: row.version as BundleVersionText,
    movedAt: row.moved_at,
  }));
}

/**
 * Points the channel to a version; `undefined` when it points there already. Throws `bundle-version-not-found`, `channel-moved`,
 * `channel-order`.
 */
export function* promote(order: PromoteOrder): Script<ChannelMove | undefined> {
  const { app, channel, version, after, force } = order;
  if ((yield* findVersion(app, version)) === undefined) {
    throw new Problem('bundle-version-not-found', `${app} has no version ${version}.`);
  }
  const now = yield* first(pointer({ app, channel }));
  checkExpected(order, now?.version);
  if (now?.version === version) return undefined;
  let kind: MoveKind = 'promote';
  if (after !== undefined && !(yield* wasIn(app, after, version))) {
    if (!force) {
      throw new Problem(
        'channel-order',
        `Version ${version} of ${app} has never been in ${after}, which comes before ${channel}.`,
        { members: { after } },
      );
    }
    kind = 'forced';
  }
  const last = now?.seq ?? (yield* lastMove(app, channel));
  return yield* move(order, { kind, from: now?.version ?? null, to: version, seq: last + 1 });
}

/** Number of the channel's last move, 0 without one; a channel that was removed has some. */
function* lastMove(app: AppName, channel: ChannelName): Script<number> {
  const moves = sql.selectFrom('channel_move').select('seq').where('app', '=', app).where('channel', '=', channel);
  return (yield* first(moves.orderBy('seq', 'desc').limit(1)))?.seq ?? 0;
}

/**
 * Takes back the latest promotion that is not taken back yet. Throws `channel-not-found`, `channel-moved`, and `nothing-before`
 * when the channel began with it or the version before is gone.
 */
export function* rollback(order: MoveOrder): Script<ChannelMove> {
  const { app, channel } = order;
  const now = yield* first(pointer({ app, channel }));
  checkExpected(order, now?.version);
  if (now === undefined) throw new Problem('channel-not-found', `${app} has no channel ${channel}.`);
  const latest = yield* first(
    sql
      .selectFrom('channel_move')
      .select(['seq', 'from_version'])
      .where('app', '=', app)
      .where('channel', '=', channel)
      .where('kind', '!=', 'rollback')
      .where('undone', '=', 0)
      .orderBy('seq', 'desc')
      .limit(1),
  );
  if (latest === undefined || latest.from_version === null) {
    throw new Problem('nothing-before', `Channel ${channel} of ${app} has no version before ${now.version}.`);
  }
  const to = latest.from_version as BundleVersionText;
  if ((yield* findVersion(app, to)) === undefined) {
    throw new Problem(
      'nothing-before',
      `Version ${to}, which came before in ${channel} of ${app}, was deleted; promote another.`,
    );
  }
  yield* run(
    sql
      .updateTable('channel_move')
      .set({ undone: 1 })
      .where('app', '=', app)
      .where('channel', '=', channel)
      .where('seq', '=', latest.seq),
  );
  return yield* move(order, { kind: 'rollback', from: now.version, to, seq: now.seq + 1 });
}

/**
 * Takes the channel away; its moves stay, and one of the same name goes on with them, but is never rolled back behind its beginning.
 * Throws `channel-not-found`, `channel-moved`.
 */
export function* removeChannel(order: MoveOrder): Script<void> {
  const { app, channel, why, actor, at } = order;
  const now = yield* first(pointer({ app, channel }));
  if (now === undefined) throw new Problem('channel-not-found', `${app} has no channel ${channel}.`);
  checkExpected(order, now.version);
  yield* run(sql.deleteFrom('channel').where('app', '=', app).where('name', '=', channel));
  const detail = { channel, from: now.version, why };
  yield* appendEvent({ kind: 'channel-removed', actor, subject: `bundle/${app}`, detail, at });
}

/** Moves in the order in which they happened: the last `limit` of them, or the last before `before`. */
export function* listMoves(
  app: AppName,
  channel: ChannelName,
  { before, limit }: { readonly before?: number | undefined; readonly limit: number },
): Script<readonly ChannelMove[]> {
  let query = sql
    .selectFrom('channel_move')
    .select(['seq', 'from_version', 'to_version', 'kind', 'by', 'at', 'why', 'undone'])
    .where('app', '=', app)
    .where('channel', '=', channel)
    .orderBy('seq', 'desc')
    .limit(limit);
  if (before !== undefined) query = query.where('seq', '<', before);
  const rows = yield* all(query);
  return rows.toReversed().map((row) => ({
    seq: row.seq,
    from: row.from_version as BundleVersionText | null,
    to: row.to_version as BundleVersionText,
    kind: row.kind as MoveKind,
    by: row.by,
    at: row.at,
    why: row.why,
    undone: row.undone === 1,
  }));
}

function checkExpected({ app, channel, expected }: MoveOrder, current: string | undefined): void {
  if (expected === undefined || expected === (current ?? null)) return;
  const where = current === undefined ? 'does not exist' : `points to ${current}`;
  const wanted = expected === null ? 'not to exist' : `to point to ${expected}`;
  throw new Problem('channel-moved', `Channel ${channel} of ${app} ${where}; it was expected ${wanted}.`, {
    members: { current: current ?? null },
  });
}

function* wasIn(app: AppName, channel: ChannelName, version: BundleVersionText): Script<boolean> {
  const row = yield* first(
    sql
      .selectFrom('channel_move')
      .select('seq')
      .where('app', '=', app)
      .where('to_version', '=', version)
      .where('channel', '=', channel)
      .limit(1),
  );
  return row !== undefined;
}

const EVENT_KINDS: Readonly<Record<MoveKind, string>> = {
  promote: 'channel-promoted',
  forced: 'channel-forced',
  rollback: 'channel-rolled-back',
};

function* move(
  { app, channel, why, actor, at }: MoveOrder,
  step: { readonly kind: MoveKind; readonly from: string | null; readonly to: BundleVersionText; readonly seq: number },
): Script<ChannelMove> {
  const { kind, from, to, seq } = step;
  yield* run(
    sql.insertInto('channel_move').values({
      app,
      channel,
      seq,
      from_version: from,
      to_version: to,
      kind,
      by: actor.name,
      at,
      why,
      undone: 0,
    }),
  );
  yield* run(
    sql
      .insertInto('channel')
      .values({ app, name: channel, version: to, seq, moved_at: at })
      .onConflict((conflict) => conflict.columns(['app', 'name']).doUpdateSet({ version: to, seq, moved_at: at })),
  );
  const detail = { channel, from, to, why };
  yield* appendEvent({ kind: EVENT_KINDS[kind], actor, subject: `bundle/${app}`, detail, at });
  return { seq, from: from as BundleVersionText | null, to, kind, by: actor.name, at, why, undone: false };
}
