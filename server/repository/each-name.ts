import type { ProjectName } from '../model/project-name.ts';
import { othersTurn } from '../others-turn.ts';

const BATCH = 1_000;

/** Names in batches by key, so that a long list neither holds the event loop nor stands in memory: between two batches others have their turn. */
export async function* eachName(
  next: (after: string, limit: number) => Promise<readonly ProjectName[]>,
): AsyncGenerator<ProjectName> {
  let after = '';
  for (;;) {
    const names = await next(after, BATCH);
    yield* names;
    const last = names.at(-1);
    if (last === undefined || names.length < BATCH) return;
    after = last;
    // A catalog in this process answers without ever leaving it, and a fast client takes all there is.
    await othersTurn();
  }
}
