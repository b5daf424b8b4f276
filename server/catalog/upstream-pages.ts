import type { ProjectStatus } from '../model/distribution-file.ts';
import type { ProjectName } from '../model/project-name.ts';
import { all, first, run, type Script } from './catalog.ts';
import { sql } from './schema.ts';

/** The kept page of an upstream's project, as JSON, or `undefined`. */
export function* findUpstreamPage(repository: string, name: ProjectName): Script<string | undefined> {
  const row = yield* first(
    sql.selectFrom('upstream_page').select('body').where('name', '=', name).where('repository', '=', repository),
  );
  return row?.body;
}

/** The serial (`X-PyPI-Last-Serial`) of the answer that is kept of an upstream's project, where the upstream gives any. */
export function* findSerial(repository: string, name: ProjectName): Script<number | undefined> {
  const row = yield* first(
    sql.selectFrom('project').select('serial').where('name', '=', name).where('repository', '=', repository),
  );
  return row?.serial ?? undefined;
}

/** What is to be remembered of an upstream's answer. */
export interface PageRecord {
  readonly repository: string;
  readonly name: ProjectName;
  /** False: upstream does not have the name, and nothing of it is kept. */
  readonly present: boolean;
  readonly status: ProjectStatus;
  readonly statusReason: string | undefined;
  readonly etag: string | undefined;
  readonly serial: number | undefined;
  readonly checkedAt: number;
  readonly freshUntil: number;
  readonly suspectSince: number | undefined;
  /** The page as JSON; absent when it is the one that is kept already. */
  readonly body?: string;
}

/** Remembers an upstream's answer. The revision grows when `body` is given; answers the present one. */
export function* rememberPage(page: PageRecord): Script<number> {
  const { repository, name } = page;
  const answer = {
    present: page.present ? 1 : 0,
    status: page.status,
    status_reason: page.statusReason ?? null,
    etag: page.etag ?? null,
    serial: page.serial ?? null,
    checked_at: page.checkedAt,
    fresh_until: page.freshUntil,
    suspect_since: page.suspectSince ?? null,
  };
  const isNew = page.body !== undefined;
  const [row] = yield* all(
    sql
      .insertInto('project')
      .values({
        name,
        repository,
        display_name: name,
        status_override: null,
        revision: 1,
        stored_revision: 0,
        changed_at: page.checkedAt,
        ...answer,
      })
      .onConflict((conflict) =>
        conflict.columns(['name', 'repository']).doUpdateSet((eb) => ({
          ...answer,
          ...(isNew ? { revision: eb('project.revision', '+', 1), changed_at: page.checkedAt } : {}),
        })),
      )
      .returning('project.revision'),
  );
  const revision = row?.revision ?? 1;
  if (page.body === undefined) return revision;
  const { body } = page;
  yield* run(
    sql
      .insertInto('upstream_page')
      .values({ name, repository, body })
      .onConflict((conflict) => conflict.columns(['name', 'repository']).doUpdateSet({ body })),
  );
  return revision;
}

/** Upstream confirmed the kept page: its time begins anew. */
export function* renewPage(
  repository: string,
  name: ProjectName,
  times: { readonly checkedAt: number; readonly freshUntil: number },
): Script<void> {
  yield* run(
    sql
      .updateTable('project')
      .set({ checked_at: times.checkedAt, fresh_until: times.freshUntil })
      .where('name', '=', name)
      .where('repository', '=', repository),
  );
}
