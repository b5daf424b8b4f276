import type { Digest } from '../../storage/digest.ts';
import type { Actor } from '../model/access.ts';
import type { ProjectName } from '../model/project-name.ts';
import { all, first, run, type Script } from './catalog.ts';
import { inChunks } from './chunks.ts';
import { appendEvent } from './events.ts';
import { sql } from './schema.ts';

/** An archive that is kept for a URL or VCS requirement. */
export interface SourceRecord {
  /** The requirement in one spelling. */
  readonly requirement: string;
  readonly project: ProjectName;
  readonly filename: string;
  readonly digest: Digest;
  readonly size: number;
  /** JSON. */
  readonly origin: string;
  /** Milliseconds. */
  readonly storedAt: number;
}

const COLUMNS = ['requirement', 'project', 'filename', 'digest', 'size', 'origin', 'stored_at'] as const;

/** What is kept for requirements, by requirement. */
export function* findSourcesFor(requirements: readonly string[]): Script<ReadonlyMap<string, SourceRecord>> {
  const found = new Map<string, SourceRecord>();
  for (const chunk of inChunks(requirements)) {
    const rows = yield* all(sql.selectFrom('source').select(COLUMNS).where('requirement', 'in', chunk));
    for (const row of rows) found.set(row.requirement, toRecord(row));
  }
  return found;
}

/** A kept archive by its address here. */
export function* findSource(project: ProjectName, filename: string): Script<SourceRecord | undefined> {
  const query = sql
    .selectFrom('source')
    .select(COLUMNS)
    .where('project', '=', project)
    .where('filename', '=', filename);
  const row = yield* first(query.orderBy('requirement').limit(1));
  return row === undefined ? undefined : toRecord(row);
}

/** A kept archive of a project by its bytes. */
export function* findSourceByDigest(project: ProjectName, digest: string): Script<SourceRecord | undefined> {
  const query = sql.selectFrom('source').select(COLUMNS).where('digest', '=', digest).where('project', '=', project);
  const row = yield* first(query.orderBy('requirement').limit(1));
  return row === undefined ? undefined : toRecord(row);
}

/**
 * Names kept bytes, under each of `requirements`; what one of them led to before is forgotten. `false`: the project has other bytes of
 * that file name, and nothing was changed.
 */
export function* recordSource(
  source: Omit<SourceRecord, 'requirement' | 'storedAt'>,
  requirements: readonly string[],
  { actor, now }: { readonly actor: Actor; readonly now: number },
): Script<boolean> {
  const { project, filename, digest, size, origin } = source;
  const taken = yield* findSource(project, filename);
  if (taken !== undefined && taken.digest !== digest) return false;
  const row = { project, filename, digest, size, origin, stored_at: now };
  for (const requirement of requirements) {
    yield* run(
      sql
        .insertInto('source')
        .values({ requirement, ...row })
        .onConflict((conflict) => conflict.column('requirement').doUpdateSet(row)),
    );
  }
  if (taken === undefined) {
    const detail = { filename, digest, size };
    yield* appendEvent({ kind: 'source-kept', actor, subject: `project/${project}`, detail, at: now });
  }
  return true;
}

/** What archives need to be built, for those that were looked into; by `digest subdirectory`. */
export function* findBuildRequirements(digests: readonly Digest[]): Script<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  for (const chunk of inChunks(digests)) {
    const rows = yield* all(sql.selectFrom('build_requirement').selectAll().where('digest', 'in', chunk));
    for (const { digest, subdirectory, requires } of rows)
      found.set(buildKey(digest, subdirectory), JSON.parse(requires) as string[]);
  }
  return found;
}

/** Names an archive, and the folder in it that is built, in what `findBuildRequirements` answers. */
export function buildKey(digest: string, subdirectory = ''): string {
  return `${digest} ${subdirectory}`;
}

/** Remembers what an archive needs to be built. */
export function* rememberBuildRequirements(
  digest: Digest,
  subdirectory: string,
  requires: readonly string[],
): Script<void> {
  const row = { digest, subdirectory, requires: JSON.stringify(requires) };
  yield* run(
    sql
      .insertInto('build_requirement')
      .values(row)
      .onConflict((conflict) => conflict.columns(['digest', 'subdirectory']).doUpdateSet({ requires: row.requires })),
  );
}

/** Forgets what archives need that are not stored any more; at most `limit`. Answers how many. */
export function* pruneBuildRequirements(limit: number): Script<number> {
  const gone = sql
    .selectFrom('build_requirement')
    .select('digest')
    .where((eb) =>
      eb.not(
        eb.exists(eb.selectFrom('blob').select('blob.digest').whereRef('blob.digest', '=', 'build_requirement.digest')),
      ),
    );
  const digests = (yield* all(gone.distinct().limit(limit))).map(({ digest }) => digest);
  if (digests.length === 0) return 0;
  return yield* run(sql.deleteFrom('build_requirement').where('digest', 'in', digests));
}

function toRecord(row: {
  requirement: string;
  project: string;
  filename: string;
  digest: string;
  size: number;
  origin: string;
  stored_at: number;
}): SourceRecord {
  const { stored_at: storedAt, ...rest } = row;
  return { ...rest, project: row.project as ProjectName, digest: row.digest as Digest, storedAt };
}
