import type { ProjectStatus } from '../model/distribution-file.ts';
import type { ProjectName } from '../model/project-name.ts';
import { all, first, prepared, run, type Script, type Values } from './catalog.ts';
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

const keepBody = prepared((p: { name: string; repository: string; body: string }) =>
  sql
    .insertInto('upstream_page')
    .values({ name: p.name, repository: p.repository, body: p.body })
    .onConflict((conflict) => conflict.columns(['name', 'repository']).doUpdateSet({ body: p.body })),
);

interface Answer extends Values {
  readonly name: string;
  readonly repository: string;
  readonly present: number;
  readonly status: string;
  readonly statusReason: string | null;
  readonly etag: string | null;
  readonly serial: number | null;
  readonly checkedAt: number;
  readonly freshUntil: number;
  readonly suspectSince: number | null;
}

function keepAnswer(p: Answer, { isNew }: { readonly isNew: boolean }) {
  const answer = {
    present: p.present,
    status: p.status,
    status_reason: p.statusReason,
    etag: p.etag,
    serial: p.serial,
    checked_at: p.checkedAt,
    fresh_until: p.freshUntil,
    suspect_since: p.suspectSince,
  };
  const first = { status_override: null, revision: 1, stored_revision: 0, changed_at: p.checkedAt };
  return sql
    .insertInto('project')
    .values({ name: p.name, repository: p.repository, display_name: p.name, ...first, ...answer })
    .onConflict((conflict) =>
      conflict.columns(['name', 'repository']).doUpdateSet((eb) => ({
        ...answer,
        ...(isNew ? { revision: eb('project.revision', '+', 1), changed_at: p.checkedAt } : {}),
      })),
    )
    .returning('project.revision');
}
const keepNew = prepared((p: Answer) => keepAnswer(p, { isNew: true }));
const keepSame = prepared((p: Answer) => keepAnswer(p, { isNew: false }));

/** Remembers an upstream's answer. The revision grows when `body` is given; answers the present one. */
export function* rememberPage(page: PageRecord): Script<number> {
  const { repository, name, status, checkedAt, freshUntil, body } = page;
  const answer = {
    ...{ repository, name, status, checkedAt, freshUntil },
    present: page.present ? 1 : 0,
    statusReason: page.statusReason ?? null,
    etag: page.etag ?? null,
    serial: page.serial ?? null,
    suspectSince: page.suspectSince ?? null,
  };
  const row = yield* first(body === undefined ? keepSame(answer) : keepNew(answer));
  if (body !== undefined) yield* run(keepBody({ name, repository, body }));
  return row?.revision ?? 1;
}

/** Are there `count` projects of the upstream besides `name` whose vanished files are not believed to be gone? */
export function* areOthersSuspect(repository: string, name: ProjectName, count: number): Script<boolean> {
  const rows = yield* all(
    sql
      .selectFrom('project')
      .select('name')
      .where('repository', '=', repository)
      .where('suspect_since', 'is not', null)
      .where('name', '<>', name)
      .limit(count),
  );
  return rows.length === count;
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
