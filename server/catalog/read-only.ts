import type { Actor } from '../model/access.ts';
import { Problem } from '../problem.ts';
import { type Catalog, first, prepared, run, type Script } from './catalog.ts';
import { appendEvent } from './events.ts';
import { sql } from './schema.ts';

/** Whether the cellar takes writes. */
export type ReadOnlyState =
  | { readonly on: false }
  | {
      readonly on: true;
      /** Milliseconds. */
      readonly since: number;
      /** Name of whoever asked for it. */
      readonly by: string;
      /** A few words for whoever is refused. */
      readonly why: string;
    };

// Long enough for the last step of a small move, short enough for a CI job that tries again.
const RETRY_SECONDS = 30;

const selectState = prepared((p: { name: string }) =>
  sql.selectFrom('cellar_state').select('value').where('name', '=', p.name),
);
// Whoever changes the row waits for all who hold it, and who comes after sees the change. Snapshots alone do not give that: a write
// that began before the change could still be committed after it.
const holdState = prepared((p: { name: string }) =>
  sql.selectFrom('cellar_state').select('value').where('name', '=', p.name).forShare(),
);

/** Whether writes are taken, for all nodes. */
export function* readOnlyState(): Script<ReadOnlyState> {
  return stateOf((yield* first(selectState({ name: 'read-only' })))?.value);
}

/** Refuses writes from now on, or takes them again. Once it is committed, no write that began before is still under way. */
export function* setReadOnly(change: {
  readonly on: boolean;
  readonly why: string;
  readonly actor: Actor;
  readonly now: number;
}): Script<ReadOnlyState> {
  const { on, why, actor, now } = change;
  const before = yield* readOnlyState();
  if (before.on === on && (!before.on || before.why === why)) return before;
  const state: ReadOnlyState = on ? { on, since: before.on ? before.since : now, by: actor.name, why } : { on };
  const update = sql.updateTable('cellar_state').set({ value: JSON.stringify(state), changed_at: now });
  yield* run(update.where('name', '=', 'read-only'));
  yield* appendEvent({
    kind: on ? 'read-only-begun' : 'read-only-ended',
    actor,
    subject: 'cellar',
    at: now,
    ...(on ? { detail: { why } } : {}),
  });
  return state;
}

/** The same catalog, whose writes are refused with the problem `read-only` while the cellar is read-only, whichever node said so. */
export function refusingWhenReadOnly(catalog: Catalog): Catalog {
  return {
    read: (script) => catalog.read(script),
    write: (script) =>
      catalog.write(function* () {
        const state = stateOf((yield* first(holdState({ name: 'read-only' })))?.value);
        if (state.on) throw refusal(state);
        return yield* script();
      }),
    get version() {
      return catalog.version;
    },
    close: () => catalog.close(),
  };
}

/** Waits for housekeeping that can be done another time: that the cellar is read-only is no failure of it. */
export async function ifWritable(housekeeping: Promise<unknown>): Promise<void> {
  try {
    await housekeeping;
  } catch (error) {
    if (!(error instanceof Problem && error.slug === 'read-only')) throw error;
  }
}

function refusal({ why }: { readonly why: string }): Problem {
  return new Problem('read-only', `Nothing is written here at the moment (${why}). Reading goes on.`, {
    retryAfter: RETRY_SECONDS,
  });
}

function stateOf(value: string | undefined): ReadOnlyState {
  return value === undefined ? { on: false } : (JSON.parse(value) as ReadOnlyState);
}
