import type { Catalog } from '../catalog/catalog.ts';
import { findMoveMark } from '../catalog/move-marks.ts';
import { type ReadOnlyState, readOnlyState, setReadOnly } from '../catalog/read-only.ts';
import type { Clock } from '../clock.ts';
import type { Actor } from '../model/access.ts';

/** Refuses writes on every node while an administrator wants it so, for a backup, a full disk or a move. Reading goes on. */
export class ReadOnlyMode {
  readonly #catalog: Catalog;
  readonly #clock: Clock;

  /** `catalog` is the bare one, which writes although the cellar is read-only. */
  constructor(parts: { readonly catalog: Catalog; readonly clock: Clock }) {
    this.#catalog = parts.catalog;
    this.#clock = parts.clock;
  }

  async state(): Promise<ReadOnlyState> {
    return await this.#catalog.read(readOnlyState);
  }

  /** When it resolves with `on`, no write is under way on any node. `why`: a few words for whoever is refused. */
  async set(change: { readonly on: boolean; readonly why: string }, actor: Actor): Promise<ReadOnlyState> {
    const now = this.#clock.nowMs();
    return await this.#catalog.write(() => setReadOnly({ ...change, actor, now }));
  }
}

/** Throws a sentence for whoever starts a server on a copy that is not whole yet. */
export async function refuseUnfinishedCopy(catalog: Catalog): Promise<void> {
  const mark = await catalog.read(() => findMoveMark('moving-in'));
  if (mark === undefined || mark.doneAt !== undefined) return;
  throw new Error(
    'This cellar is a copy that is not whole yet: run the same "stormcellar move" again until it says "Moved".',
  );
}
