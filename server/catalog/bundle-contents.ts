import {
  type ArchiveContents,
  areBeingRead,
  BEING_READ,
  type BundleVersion,
  type ContainedDistribution,
  READING_CANCELLED,
} from '../model/bundle.ts';
import { versionKey } from '../model/version.ts';
import { contentColumns } from './bundle-rows.ts';
import { run, type Script } from './catalog.ts';
import { dropQueuedJob, enqueueJob } from './jobs.ts';
import { sql } from './schema.ts';

type Named = Pick<BundleVersion, 'app' | 'version' | 'digest' | 'createdAt'>;

// Rows of one INSERT: SQLite takes 32,766 parameters, PostgreSQL 65,535.
const ROWS_AT_ONCE = 1000;
/** Longer than any node reads an archive that it has received: then whoever comes first does it. Milliseconds. */
const LEFT_TO_OTHERS_MS = 60_000;
// The store may be away for long, and what is inside is wanted nevertheless.
const ATTEMPTS = 100;

/** Rows by which distributions are found. The version has none yet. */
export function* putContents(
  of: Pick<BundleVersion, 'app' | 'version'>,
  distributions: readonly ContainedDistribution[],
): Script<void> {
  const unique = new Map(distributions.map((one) => [`${one.name}\0${one.version}`, one]));
  const rows = [...unique.values()].map(({ name, version }) => ({
    app: of.app,
    version: of.version,
    name,
    version_key: versionKey(version),
    dist_version: version,
  }));
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
    yield* run(sql.insertInto('bundle_content').values(rows.slice(at, at + ROWS_AT_ONCE)));
  }
}

/**
 * Keeps what was found in an archive, if the version still stands and waits for it, and then the job that would find it is not needed.
 * Answers whether it did.
 */
export function* fillContents(version: Named, contents: ArchiveContents): Script<boolean> {
  if (areBeingRead(contents)) return false;
  const waiting = sql
    .updateTable('bundle_version')
    .set(contentColumns(contents))
    .where('app', '=', version.app)
    .where('version', '=', version.version)
    .where('digest', '=', version.digest)
    .where('contents_note', 'in', [BEING_READ.note, READING_CANCELLED.note])
    .where('deleted_at', 'is', null);
  if ((yield* run(waiting)) === 0) return false;
  yield* putContents(version, contents.distributions ?? []);
  yield* dropQueuedJob(jobKey(version));
  return true;
}

/** Says of a version that was to be looked into that nobody will. What is known stays. */
export function* giveUpContents({ app, version }: { readonly app: string; readonly version: string }): Script<void> {
  const waiting = sql.updateTable('bundle_version').set(contentColumns(READING_CANCELLED));
  yield* run(
    waiting.where('app', '=', app).where('version', '=', version).where('contents_note', '=', BEING_READ.note),
  );
}

/** Sees to it that the contents come, should the node die that is reading them. In the script that publishes the version. */
export function* readContentsLater(version: Named, by: string): Script<void> {
  const { app, version: number, createdAt } = version;
  yield* enqueueJob({
    kind: 'read-archive',
    input: { app, version: number },
    actor: { name: by },
    now: createdAt,
    dueAt: createdAt + LEFT_TO_OTHERS_MS,
    uniqueKey: jobKey(version),
    maxAttempts: ATTEMPTS,
  });
}

function jobKey({ app, version, createdAt }: Named): string {
  return `read-archive@${app}/${version}@${createdAt}`;
}
