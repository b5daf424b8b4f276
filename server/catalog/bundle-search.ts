import type { Digest } from '../../storage/digest.ts';
import type { AppName, BundleVersionText, Holder } from '../model/bundle.ts';
import type { ProjectName } from '../model/project-name.ts';
import { versionKey } from '../model/version.ts';
import { all, type Script } from './catalog.ts';
import { sql } from './schema.ts';

/** Versions whose archive holds a distribution; `version`: exactly that one, in any spelling. At most `limit`. */
export function* holdersOf(
  { name, version }: { readonly name: ProjectName; readonly version?: string | undefined },
  limit: number,
): Script<readonly Holder[]> {
  let query = sql
    .selectFrom('bundle_content')
    .innerJoin('bundle_version', (join) =>
      join
        .onRef('bundle_version.app', '=', 'bundle_content.app')
        .onRef('bundle_version.version', '=', 'bundle_content.version'),
    )
    .select([
      'bundle_version.app',
      'bundle_version.version',
      'bundle_version.filename',
      'bundle_version.digest',
      'bundle_version.created_at',
      'bundle_content.dist_version',
    ])
    .where('bundle_content.name', '=', name)
    .where('bundle_version.deleted_at', 'is', null)
    .orderBy('bundle_version.app')
    .orderBy('bundle_version.sort_key', 'desc')
    .orderBy('bundle_version.created_at', 'desc')
    .limit(limit);
  if (version !== undefined) query = query.where('bundle_content.version_key', '=', versionKey(version));
  const found = new Map<string, Holder>();
  for (const row of yield* all(query)) {
    const key = `${row.app}\0${row.version}`;
    const holds = [...(found.get(key)?.holds ?? []), row.dist_version];
    found.set(key, { ...plain(row), holds });
  }
  return yield* withChannels([...found.values()]);
}

/** Versions whose archive has this digest, or whose lock names it: then the distribution with it is inside, or could be. */
export function* holdersOfDigest(digest: Digest, limit: number): Script<readonly Holder[]> {
  const columns = [
    'bundle_version.app',
    'bundle_version.version',
    'bundle_version.filename',
    'bundle_version.digest',
    'bundle_version.created_at',
  ] as const;
  const archives = yield* all(
    sql
      .selectFrom('bundle_version')
      .select(columns)
      .where('digest', '=', digest)
      .where('deleted_at', 'is', null)
      .orderBy('app')
      .orderBy('sort_key', 'desc')
      .limit(limit),
  );
  const locks = yield* all(
    sql
      .selectFrom('bundle_lock_hash')
      .innerJoin('bundle_version', (join) =>
        join
          .onRef('bundle_version.app', '=', 'bundle_lock_hash.app')
          .onRef('bundle_version.version', '=', 'bundle_lock_hash.version'),
      )
      .select(columns)
      .where('bundle_lock_hash.digest', '=', digest)
      .where('bundle_version.deleted_at', 'is', null)
      .orderBy('bundle_version.app')
      .orderBy('bundle_version.sort_key', 'desc')
      .limit(limit),
  );
  const holders = [
    ...archives.map((row): Holder => ({ ...plain(row), by: 'archive' })),
    ...locks.map((row): Holder => ({ ...plain(row), by: 'lock' })),
  ];
  return yield* withChannels(holders.slice(0, limit));
}

interface FoundRow {
  readonly app: string;
  readonly version: string;
  readonly filename: string;
  readonly digest: string;
  readonly created_at: number;
}

function plain({ app, version, filename, digest, created_at }: FoundRow): Holder {
  return {
    app: app as AppName,
    version: version as BundleVersionText,
    filename,
    digest,
    createdAt: created_at,
    channels: [],
  };
}

function* withChannels(holders: readonly Holder[]): Script<readonly Holder[]> {
  const apps = [...new Set(holders.map(({ app }) => app))];
  if (apps.length === 0) return [];
  const rows = yield* all(
    sql.selectFrom('channel').select(['app', 'name', 'version']).where('app', 'in', apps).orderBy('name'),
  );
  return holders.map((holder) => ({
    ...holder,
    channels: rows
      .filter(({ app, version }) => app === holder.app && version === holder.version)
      .map(({ name }) => name),
  }));
}
