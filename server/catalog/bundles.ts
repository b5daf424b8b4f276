import { type Expression, sql as fragment } from 'kysely';
import type { Digest } from '../../storage/digest.ts';
import type { Actor } from '../model/access.ts';
import {
  type AppName,
  type BundleVersion,
  type BundleVersionText,
  bundleSortKey,
  LOWEST_SORT_KEY,
} from '../model/bundle.ts';
import { Problem } from '../problem.ts';
import { putContents } from './bundle-contents.ts';
import { contentColumns, toBundleVersion, VERSION_COLUMNS } from './bundle-rows.ts';
import { all, first, prepared, run, type Script } from './catalog.ts';
import { inChunks } from './chunks.ts';
import { appendEvent } from './events.ts';
import { sql } from './schema.ts';

/** A lock that was sent along with a version. */
export interface BundleLock {
  /** File name, such as `requirements.txt`. */
  readonly name: string;
  readonly digest: Digest;
  readonly body: string;
  /** Every sha256 that it names. */
  readonly hashes: readonly Digest[];
}

// Rows of one INSERT: SQLite takes 32,766 parameters, PostgreSQL 65,535.
const ROWS_AT_ONCE = 1000;

/**
 * Adds a version, its bytes being stored already. `present`: it was there with the same file name and bytes; nothing changes but a
 * lock that was missing. Throws `bundle-exists`, also for other bytes than those that a deleted version had.
 */
export function* publishVersion(
  version: BundleVersion,
  { lock, actor }: { readonly lock?: BundleLock | undefined; readonly actor: Actor },
): Script<'created' | 'present'> {
  const { app, createdAt: at } = version;
  yield* run(
    sql
      .insertInto('bundle')
      .values({ name: app, created_at: at, keep: null, keep_per_channel: null })
      .onConflict((conflict) => conflict.column('name').doNothing()),
  );
  const existing = yield* first(
    sql
      .selectFrom('bundle_version')
      .select(['filename', 'digest', 'deleted_at'])
      .where('app', '=', app)
      .where('version', '=', version.version),
  );
  if (existing !== undefined) checkSame(version, existing);
  const isPresent = existing !== undefined && existing.deleted_at === null;
  if (!isPresent) {
    yield* putRow(version, existing !== undefined);
    const { filename, digest, size, commit, tag, buildUrl } = version;
    const detail = { version: version.version, filename, sha256: digest, size, commit, tag, buildUrl };
    yield* appendEvent({ kind: 'bundle-uploaded', actor, subject: `bundle/${app}`, detail, at });
  }
  if (lock !== undefined) yield* putLock(version, lock, actor);
  return isPresent ? 'present' : 'created';
}

function checkSame(
  version: BundleVersion,
  existing: { filename: string; digest: string; deleted_at: number | null },
): void {
  if (existing.digest === version.digest && existing.filename === version.filename) return;
  const was = existing.deleted_at === null ? 'exists already' : 'existed and was deleted';
  const difference =
    existing.digest === version.digest ? `under the file name ${existing.filename}` : 'with other bytes';
  throw new Problem(
    'bundle-exists',
    `Version ${version.version} of ${version.app} ${was}, ${difference}; a version never changes. Choose another version.`,
    { members: { sha256: existing.digest, filename: existing.filename } },
  );
}

function* putRow(version: BundleVersion, isKnown: boolean): Script<void> {
  const { app, contents } = version;
  const columns = {
    sort_key: bundleSortKey(version.version),
    prerelease: version.prerelease ? 1 : 0,
    filename: version.filename,
    digest: version.digest,
    size: version.size,
    content_type: version.contentType,
    created_at: version.createdAt,
    created_by: version.createdBy,
    commit_id: version.commit ?? null,
    tag: version.tag ?? null,
    build_url: version.buildUrl ?? null,
    ...contentColumns(contents),
    deleted_at: null,
  };
  if (isKnown) {
    const update = sql.updateTable('bundle_version').set(columns);
    yield* run(update.where('app', '=', app).where('version', '=', version.version));
  } else {
    yield* run(sql.insertInto('bundle_version').values({ app, version: version.version, ...columns }));
  }
  yield* putContents(version, contents.distributions ?? []);
}

function* putLock({ app, version, createdAt }: BundleVersion, lock: BundleLock, actor: Actor): Script<void> {
  const known = yield* first(
    sql.selectFrom('bundle_lock').select(['digest']).where('app', '=', app).where('version', '=', version),
  );
  if (known?.digest === lock.digest) return;
  if (known !== undefined) {
    throw new Problem(
      'bundle-exists',
      `Version ${version} of ${app} has another lock already; a version never changes.`,
    );
  }
  yield* run(
    sql.insertInto('bundle_lock').values({ app, version, name: lock.name, digest: lock.digest, body: lock.body }),
  );
  const rows = [...new Set(lock.hashes)].map((digest) => ({ digest, app, version }));
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
    yield* run(sql.insertInto('bundle_lock_hash').values(rows.slice(at, at + ROWS_AT_ONCE)));
  }
  const detail = { version, lock: lock.name, sha256: lock.digest };
  yield* appendEvent({ kind: 'bundle-lock-kept', actor, subject: `bundle/${app}`, detail, at: createdAt });
}

const versionByName = prepared((p: { app: string; version: string }) =>
  sql
    .selectFrom('bundle_version')
    .select(VERSION_COLUMNS)
    .where('app', '=', p.app)
    .where('version', '=', p.version)
    .where('deleted_at', 'is', null),
);

/** A version that is stored, or `undefined`. */
export function* findVersion(app: AppName, version: BundleVersionText): Script<BundleVersion | undefined> {
  const row = yield* first(versionByName({ app, version }));
  return row && toBundleVersion(row);
}

// The newest version by PEP 440 that is no pre-release, else the newest pre-release, else what was uploaded last.
const LATEST = [
  { lowest: LOWEST_SORT_KEY, prereleases: 0 },
  { lowest: LOWEST_SORT_KEY, prereleases: 1 },
  { lowest: '', prereleases: 1 },
] as const;

const latestByOrder = prepared((p: { app: string; lowest: string; prereleases: number }) =>
  newest(p.app, p).select(VERSION_COLUMNS),
);

/** The version that `@latest` is; `undefined` where there is none. */
export function* findLatest(app: AppName): Script<BundleVersion | undefined> {
  for (const among of LATEST) {
    const row = yield* first(latestByOrder({ app, ...among }));
    if (row !== undefined) return toBundleVersion(row);
  }
  return undefined;
}

/** The same of many applications, in one statement; of one without a version nothing. */
export function* findLatestOf(apps: readonly AppName[]): Script<ReadonlyMap<AppName, BundleVersionText>> {
  const found = new Map<AppName, BundleVersionText>();
  const ofApp = (among: Among) => newest(fragment.ref<string>('bundle.name'), among).select('version');
  const [release, prerelease, any] = LATEST;
  for (const chunk of inChunks(apps)) {
    const rows = yield* all(
      sql
        .selectFrom('bundle')
        .select(({ fn }) => ['name', fn.coalesce(ofApp(release), ofApp(prerelease), ofApp(any)).as('latest')])
        .where('name', 'in', chunk),
    );
    for (const { name, latest } of rows) if (latest !== null) found.set(name as AppName, latest as BundleVersionText);
  }
  return found;
}

/** What the newest version is looked for among: those whose sort key is above `lowest`; with `prereleases` 1 those as well. */
interface Among {
  readonly lowest: string;
  readonly prereleases: number;
}

function newest(app: string | Expression<string>, { lowest, prereleases }: Among) {
  return sql
    .selectFrom('bundle_version')
    .where('app', '=', app)
    .where('deleted_at', 'is', null)
    .where('sort_key', '>', lowest)
    .where('prerelease', '<=', prereleases)
    .orderBy('sort_key', 'desc')
    .orderBy('created_at', 'desc')
    .orderBy('version', 'desc')
    .limit(1);
}

/** Is the application known, with versions or without? */
export function* isKnownApp(app: AppName): Script<boolean> {
  return (yield* first(sql.selectFrom('bundle').select('name').where('name', '=', app))) !== undefined;
}

/**
 * Versions in the order of PEP 440, newest first, those that do not follow it last, newest upload first; at most `limit`, from
 * behind the version `after` on.
 */
export function* listVersions(
  app: AppName,
  { after, limit }: { readonly after?: BundleVersionText | undefined; readonly limit: number },
): Script<readonly BundleVersion[]> {
  let query = sql
    .selectFrom('bundle_version')
    .select(VERSION_COLUMNS)
    .where('app', '=', app)
    .where('deleted_at', 'is', null)
    .orderBy('sort_key', 'desc')
    .orderBy('created_at', 'desc')
    .orderBy('version', 'desc')
    .limit(limit);
  if (after !== undefined) {
    const mark = yield* first(
      sql
        .selectFrom('bundle_version')
        .select(['sort_key', 'created_at', 'version'])
        .where('app', '=', app)
        .where('version', '=', after),
    );
    if (mark === undefined) return [];
    query = query.where((eb) =>
      eb.or([
        eb('sort_key', '<', mark.sort_key),
        eb.and([eb('sort_key', '=', mark.sort_key), eb('created_at', '<', mark.created_at)]),
        eb.and([
          eb('sort_key', '=', mark.sort_key),
          eb('created_at', '=', mark.created_at),
          eb('version', '<', mark.version),
        ]),
      ]),
    );
  }
  return (yield* all(query)).map(toBundleVersion);
}

/** Names of applications, ascending, from behind `after` on. */
export function* listApps({
  after,
  limit,
}: {
  readonly after: string;
  readonly limit: number;
}): Script<readonly AppName[]> {
  const rows = yield* all(
    sql.selectFrom('bundle').select('name').where('name', '>', after).orderBy('name').limit(limit),
  );
  return rows.map(({ name }) => name as AppName);
}

/** The lock that came with a version. */
export function* findLock(
  app: AppName,
  version: BundleVersionText,
): Script<{ readonly name: string; readonly digest: string; readonly body: string } | undefined> {
  return yield* first(
    sql
      .selectFrom('bundle_lock')
      .select(['name', 'digest', 'body'])
      .where('app', '=', app)
      .where('version', '=', version),
  );
}

/**
 * Takes versions away; their rows stay, so that nothing else can ever be had under their names. What a channel points to must
 * not be among them. `kind` of the events: `bundle-deleted`, `bundle-expired`.
 */
export function* removeVersions(
  app: AppName,
  versions: readonly string[],
  { kind, actor, at }: { readonly kind: string; readonly actor: Actor; readonly at: number },
): Script<void> {
  for (const version of versions) {
    const update = sql.updateTable('bundle_version').set({ deleted_at: at }).where('deleted_at', 'is', null);
    if ((yield* run(update.where('app', '=', app).where('version', '=', version))) === 0) continue;
    for (const table of ['bundle_content', 'bundle_lock', 'bundle_lock_hash'] as const) {
      yield* run(sql.deleteFrom(table).where('app', '=', app).where('version', '=', version));
    }
    yield* appendEvent({ kind, actor, subject: `bundle/${app}`, detail: { version }, at });
  }
}
