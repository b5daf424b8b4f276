import { first, type Script } from './catalog.ts';
import { sql } from './schema.ts';

/** How much is here. Counts rows: not for a request path that is asked often. */
export interface Counts {
  readonly projects: number;
  readonly files: number;
  readonly bytes: number;
}

/** What one repository holds: pages it knows, files that are stored, their bytes. */
export function* countRepository(repository: string): Script<Counts> {
  const projects = yield* first(
    sql
      .selectFrom('project')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('repository', '=', repository)
      .where('present', '=', 1),
  );
  const files = yield* first(
    sql
      .selectFrom('file')
      .select((eb) => [eb.fn.countAll<number>().as('count'), eb.fn.sum<number | null>('size').as('bytes')])
      .where('repository', '=', repository)
      .where('deleted_at', 'is', null),
  );
  return {
    projects: Number(projects?.count ?? 0),
    files: Number(files?.count ?? 0),
    bytes: Number(files?.bytes ?? 0),
  };
}

/** The repository after `name`, in the order of names, that holds files; `undefined`: there is none. */
export function* nextRepository(name: string): Script<string | undefined> {
  const row = yield* first(
    sql.selectFrom('file').select('repository').where('repository', '>', name).orderBy('repository').limit(1),
  );
  return row?.repository;
}
