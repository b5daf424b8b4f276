import { all, run, type Script } from './catalog.ts';
import { sql } from './schema.ts';

/**
 * Forgets names that an upstream did not have when it was asked last, if that was before `before` (milliseconds) and nothing is
 * kept of them: up to `limit`, in the order of names, from `after` (inclusive) on. Answers the last name, or `undefined` when no such
 * is left.
 */
export function* forgetAbsentNames(options: {
  readonly before: number;
  readonly after: string;
  readonly limit: number;
}): Script<string | undefined> {
  const rows = yield* all(
    sql
      .selectFrom('project')
      .select(['name', 'repository'])
      // Another upstream may not have had the last one either, and a batch ends anywhere.
      .where('name', '>=', options.after)
      .where('present', '=', 0)
      .where('status_override', 'is', null)
      .where('checked_at', '<', options.before)
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('file')
              .select('file.filename')
              .whereRef('file.project', '=', 'project.name')
              .whereRef('file.repository', '=', 'project.repository'),
          ),
        ),
      )
      .orderBy('name')
      .orderBy('repository')
      .limit(options.limit),
  );
  for (const { name, repository } of rows) {
    for (const table of ['upstream_page', 'project'] as const)
      yield* run(sql.deleteFrom(table).where('name', '=', name).where('repository', '=', repository));
  }
  return rows.at(-1)?.name;
}
