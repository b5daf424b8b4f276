import type { Catalog } from '../catalog/catalog.ts';
import { readOnlyState, setReadOnly } from '../catalog/read-only.ts';
import type { Clock } from '../clock.ts';

/** Who is named in the audit trail. */
export const MOVER = { name: 'move' } as const;

const WHILE_MOVING = 'it is being moved to other engines';
const WHEN_MOVED = 'it was moved to other engines';

/**
 * Does the last part of a move while the cellar takes no writes. They stay refused when the outcome is `moved`; otherwise, and when
 * `work` throws, they are taken again, unless somebody else had stopped them before.
 */
export async function whileWritesAreRefused<T extends { readonly kind: string }>(
  { catalog, clock }: { readonly catalog: Catalog; readonly clock: Clock },
  work: () => Promise<T>,
): Promise<T> {
  const refuse = (on: boolean, why: string) =>
    catalog.write(() => setReadOnly({ on, why, actor: MOVER, now: clock.nowMs() }));
  const before = await catalog.read(readOnlyState);
  // Of a move that was killed here, the word is there still, and is ours to take back.
  const isOurs = !before.on || before.by === MOVER.name;
  if (isOurs) await refuse(true, WHILE_MOVING);
  try {
    const outcome = await work();
    if (outcome.kind === 'moved') await refuse(true, WHEN_MOVED);
    else if (isOurs) await refuse(false, '');
    return outcome;
  } catch (error) {
    if (isOurs) await refuse(false, '');
    throw error;
  }
}
