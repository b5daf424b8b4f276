import { prepared, run, type Script } from './catalog.ts';
import { sql } from './schema.ts';

/** How exactly it is known when a file was used last: one that is used all the time is written once a day. Milliseconds. */
export const USE_GRAIN_MS: number = 24 * 60 * 60_000;

/** A stored file that was used. */
export interface FileUse {
  readonly repository: string;
  readonly project: string;
  readonly filename: string;
  /** Milliseconds. */
  readonly at: number;
}

const markUsed = prepared((p: { repository: string; project: string; filename: string; at: number }) =>
  sql
    .updateTable('file')
    .set({ used_at: p.at })
    .where('project', '=', p.project)
    .where('filename', '=', p.filename)
    .where('repository', '=', p.repository)
    .where((eb) => eb.or([eb('used_at', 'is', null), eb('used_at', '<', p.at)])),
);

/** Notes when files were used; of one that was used later, or is there no more, nothing. */
export function* markFilesUsed(uses: Iterable<FileUse>): Script<void> {
  for (const { repository, project, filename, at } of uses) yield* run(markUsed({ repository, project, filename, at }));
}
