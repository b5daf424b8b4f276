import type { ProjectName } from '../model/project-name.ts';
import { first, prepared, run, type Script } from './catalog.ts';
import { findProjectState } from './project-state.ts';
import { sql } from './schema.ts';

/** A project page of an upstream. */
export interface PageKey {
  readonly repository: string;
  readonly name: ProjectName;
}

/** How far the refresh of a page has come. `done`: there is an answer that the asker has not seen. `free`: nobody is at it. */
export type RefreshState = 'done' | 'free' | 'under-way';

const claim = prepared((p: { name: string; repository: string; holder: string; now: number; until: number }) =>
  sql
    .insertInto('page_refresh')
    .values({ name: p.name, repository: p.repository, holder: p.holder, held_until: p.until })
    .onConflict((conflict) =>
      conflict
        .columns(['name', 'repository'])
        .doUpdateSet({ holder: p.holder, held_until: p.until })
        .where('page_refresh.held_until', '<=', p.now),
    ),
);
const holding = prepared((p: { name: string; repository: string; now: number }) =>
  sql
    .selectFrom('page_refresh')
    .select('held_until')
    .where('name', '=', p.name)
    .where('repository', '=', p.repository)
    .where('held_until', '>', p.now),
);
const release = prepared((p: { name: string; repository: string; holder: string }) =>
  sql
    .deleteFrom('page_refresh')
    .where('name', '=', p.name)
    .where('repository', '=', p.repository)
    .where('holder', '=', p.holder),
);

/**
 * Takes the right to ask for a page until a time (milliseconds). `checkedAt`: of the answer that the asker knows; `undefined` when it
 * knows none. `done`: another node has an answer since; `under-way`: another node is at it.
 */
export function* claimRefresh(
  { repository, name }: PageKey,
  asker: {
    readonly holder: string;
    readonly now: number;
    readonly until: number;
    readonly checkedAt: number | undefined;
  },
): Script<'claimed' | 'done' | 'under-way'> {
  const { holder, now, until, checkedAt } = asker;
  if ((yield* findProjectState(repository, name))?.checkedAt !== checkedAt) return 'done';
  return (yield* run(claim({ name, repository, holder, now, until }))) > 0 ? 'claimed' : 'under-way';
}

/** Looks how far another node has come; see `claimRefresh`. */
export function* refreshState(
  { repository, name }: PageKey,
  asker: { readonly now: number; readonly checkedAt: number | undefined },
): Script<RefreshState> {
  // In this order: who is gone by now has left its answer before.
  const held = yield* first(holding({ name, repository, now: asker.now }));
  if ((yield* findProjectState(repository, name))?.checkedAt !== asker.checkedAt) return 'done';
  return held === undefined ? 'free' : 'under-way';
}

/** Gives the right back: with the answer, in the same script, or without one. */
export function* releaseRefresh({ repository, name }: PageKey, holder: string): Script<void> {
  yield* run(release({ name, repository, holder }));
}

/** Removes what nodes have left that died while they asked. */
export function* sweepRefreshes(now: number): Script<void> {
  yield* run(sql.deleteFrom('page_refresh').where('held_until', '<=', now));
}
