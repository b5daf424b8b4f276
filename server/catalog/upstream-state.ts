import { first, run, type Script } from './catalog.ts';
import { sql } from './schema.ts';
import type { UpstreamStateTable } from './tables/projects.ts';

/** The kept condition of an upstream. */
export function* findUpstreamState(repository: string): Script<UpstreamStateTable | undefined> {
  return yield* first(sql.selectFrom('upstream_state').selectAll().where('repository', '=', repository));
}

/** Keeps the condition of an upstream, so that a restart in an outage begins where the last process stopped. */
export function* saveUpstreamState(state: UpstreamStateTable): Script<void> {
  const { repository: _, ...rest } = state;
  yield* run(
    sql
      .insertInto('upstream_state')
      .values(state)
      .onConflict((conflict) => conflict.column('repository').doUpdateSet(rest)),
  );
}

/**
 * The same where several nodes keep it: a node that finds what is kept already leaves it as it is, so that all of them say the same of
 * when it began. What never failed had no address, which is nobody's finding.
 */
export function* shareUpstreamState(state: UpstreamStateTable): Script<void> {
  const kept = yield* findUpstreamState(state.repository);
  const isKept = kept?.state === state.state && (state.state !== 'open' || kept.last_failure_at !== null);
  if (!isKept) yield* saveUpstreamState(state);
}
