import type { Actor } from '../model/access.ts';
import type { AppName, BundleVersionText, Expired, Retention } from '../model/bundle.ts';
import { findLatest, removeVersions } from './bundles.ts';
import { all, first, run, type Script } from './catalog.ts';
import { appendEvent } from './events.ts';
import { sql } from './schema.ts';

// In the column: `keep` was set, to all of them.
const ALL = 0;

/** What was set for the application itself; `undefined`: nothing was, the configuration decides. */
export function* findRetention(app: AppName): Script<Retention | undefined> {
  const row = yield* first(sql.selectFrom('bundle').select(['keep', 'keep_per_channel']).where('name', '=', app));
  if (row === undefined || row.keep === null) return undefined;
  return { keep: row.keep === ALL ? null : row.keep, keepPerChannel: row.keep_per_channel };
}

/** Sets it; `undefined` leaves it to the configuration again. */
export function* setRetention(
  app: AppName,
  retention: Retention | undefined,
  { actor, at }: { readonly actor: Actor; readonly at: number },
): Script<void> {
  const columns =
    retention === undefined
      ? { keep: null, keep_per_channel: null }
      : { keep: retention.keep ?? ALL, keep_per_channel: retention.keepPerChannel };
  yield* run(sql.updateTable('bundle').set(columns).where('name', '=', app));
  const detail = retention === undefined ? { retention: null } : { ...retention };
  yield* appendEvent({ kind: 'retention-changed', actor, subject: `bundle/${app}`, detail, at });
}

/**
 * Which versions may go. Never what a channel points to now or pointed to last, nor what a rollback would go back to, nor what `@latest` is: a
 * release that pre-releases came after.
 */
export function* findExpired(app: AppName, retention: Retention): Script<readonly Expired[]> {
  const { keep, keepPerChannel } = retention;
  if (keep === null) return [];
  const versions = yield* all(
    sql
      .selectFrom('bundle_version')
      .select(['version', 'size', 'created_at'])
      .where('app', '=', app)
      .where('deleted_at', 'is', null)
      .orderBy('created_at', 'desc')
      .orderBy('sort_key', 'desc')
      .orderBy('version', 'desc'),
  );
  if (versions.length <= keep) return [];
  const kept = yield* heldByChannels(app, Math.max(keepPerChannel ?? 0, 2));
  const latest = yield* findLatest(app);
  return versions
    .slice(keep)
    .filter(({ version }) => !kept.has(version) && version !== latest?.version)
    .map((row) => ({ version: row.version as BundleVersionText, size: row.size, createdAt: row.created_at }));
}

/** Takes them away. */
export function* expireVersions(
  app: AppName,
  retention: Retention,
  by: { readonly actor: Actor; readonly at: number },
): Script<readonly Expired[]> {
  const expired = yield* findExpired(app, retention);
  yield* removeVersions(
    app,
    expired.map(({ version }) => version),
    { kind: 'bundle-expired', ...by },
  );
  return expired;
}

/** The versions that each channel pointed to last, `perChannel` different ones; where it points and would roll back to included. */
function* heldByChannels(app: AppName, perChannel: number): Script<ReadonlySet<string>> {
  const held = new Set<string>();
  const channels = yield* all(sql.selectFrom('channel').select(['name', 'version']).where('app', '=', app));
  for (const { name, version } of channels) {
    held.add(version);
    const moves = yield* all(
      sql
        .selectFrom('channel_move')
        .select(['from_version', 'to_version', 'kind', 'undone'])
        .where('app', '=', app)
        .where('channel', '=', name)
        .orderBy('seq', 'desc'),
    );
    const standing = moves.find(({ kind, undone }) => kind !== 'rollback' && undone === 0);
    if (standing?.from_version) held.add(standing.from_version);
    const last = new Set<string>();
    for (const { from_version, to_version } of moves) {
      if (last.size >= perChannel) break;
      last.add(to_version);
      if (from_version !== null && last.size < perChannel) last.add(from_version);
    }
    for (const one of last) held.add(one);
  }
  return held;
}
