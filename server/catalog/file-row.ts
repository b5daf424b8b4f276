import { sql } from './schema.ts';

/** The columns of a file whose bytes are kept. No interface: `prepared` takes plain values by any name. */
export type NewFileRow = {
  readonly project: string;
  readonly filename: string;
  readonly repository: string;
  readonly version: string;
  readonly digest: string;
  readonly size: number;
  /** A `DistributionFile` as JSON. */
  readonly detail: string;
  /** Milliseconds; when it is stored. */
  readonly now: number;
  /** Of a file that came through an upstream: the same. */
  readonly usedAt: number | null;
};

/** Names a file, but for what becomes of one that has the name. */
export const insertFile = (p: NewFileRow) =>
  sql.insertInto('file').values({
    project: p.project,
    filename: p.filename,
    repository: p.repository,
    version: p.version,
    digest: p.digest,
    size: p.size,
    detail: p.detail,
    stored_at: p.now,
    deleted_at: null,
    used_at: p.usedAt,
  });
