import type { Digest } from '../../storage/digest.ts';
import type { ProjectName } from '../model/project-name.ts';
import { first, run, type Script } from './catalog.ts';
import { sql } from './schema.ts';

/** An archive that is kept for a URL or VCS requirement. */
export interface SourceRecord {
  readonly project: ProjectName;
  readonly filename: string;
  readonly digest: Digest;
  readonly size: number;
  /** The requirement in one spelling. */
  readonly requirement: string;
  /** JSON. */
  readonly origin: string;
  readonly storedAt: number;
}

const COLUMNS = ['project', 'filename', 'digest', 'size', 'requirement', 'origin', 'stored_at'] as const;

/** What is kept for a requirement. */
export function* findSourceFor(requirement: string): Script<SourceRecord | undefined> {
  const row = yield* first(sql.selectFrom('source').select(COLUMNS).where('requirement', '=', requirement));
  return row === undefined ? undefined : toRecord(row);
}

/** A kept archive by its address. */
export function* findSource(project: ProjectName, filename: string): Script<SourceRecord | undefined> {
  const row = yield* first(
    sql.selectFrom('source').select(COLUMNS).where('project', '=', project).where('filename', '=', filename),
  );
  return row === undefined ? undefined : toRecord(row);
}

/** Names kept bytes. False: the requirement, or the file name, is taken by other bytes; nothing was changed. */
export function* recordSource(source: SourceRecord): Script<boolean> {
  const { storedAt, ...rest } = source;
  const changed = yield* run(
    sql
      .insertInto('source')
      .values({ ...rest, stored_at: storedAt })
      .onConflict((conflict) => conflict.doNothing()),
  );
  return changed === 1;
}

function toRecord(row: {
  project: string;
  filename: string;
  digest: string;
  size: number;
  requirement: string;
  origin: string;
  stored_at: number;
}): SourceRecord {
  const { stored_at: storedAt, ...rest } = row;
  return { ...rest, project: row.project as ProjectName, digest: row.digest as Digest, storedAt };
}
