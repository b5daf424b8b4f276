import { randomUUID } from 'node:crypto';
import { join } from 'node:path';

/** What the names of spools end in, by which those of a dead process are found. */
export const SPOOL_SUFFIX = '.spool';

/** A name below `dir` for a new spool. */
export function spoolPath(dir: string): string {
  return join(dir, `${randomUUID()}${SPOOL_SUFFIX}`);
}
