import { giveStep, SMALL_STEP_BYTES, STEP_BYTES, takeShared } from './buffer-pool.ts';
import type { Spool } from './spool.ts';

// Blocks that are hashed and written while the next is filled.
const AHEAD = 8;

/**
 * Writes all of `pieces`, in blocks of memory that the thread which writes large files can be shown: a socket gives a quarter of one at
 * most. More is taken from `pieces` while the last blocks are written. A piece is copied before the next is asked for. Calls `onGrowth` after
 * each block; what it throws comes out. Throws what `Spool.write` and `pieces` throw; a block may then still be under way.
 */
export async function fillSpool(
  spool: Spool,
  pieces: AsyncIterable<Uint8Array>,
  onGrowth: (size: number) => void = () => {},
): Promise<void> {
  const underWay: Promise<void>[] = [];
  let block: Buffer | undefined;
  let filled = 0;
  let failure: { readonly error: unknown } | undefined;
  const flush = (): void => {
    if (block === undefined) return;
    const bytes = block;
    const written = spool.write(bytes.subarray(0, filled)).then(() => onGrowth(spool.size));
    const given = written.finally(() => giveStep(bytes));
    given.catch((error: unknown) => {
      failure ??= { error };
    });
    underWay.push(given);
    block = undefined;
    filled = 0;
  };
  try {
    for await (const piece of pieces) {
      if (failure !== undefined) throw failure.error;
      for (let at = 0; at < piece.length; ) {
        if (block === undefined && underWay.length === AHEAD) await underWay.shift();
        // Most files are small, and come in one piece.
        const isFirst = underWay.length === 0 && spool.size === 0 && piece.length < SMALL_STEP_BYTES;
        block ??= takeShared(isFirst ? SMALL_STEP_BYTES : STEP_BYTES);
        const step = Math.min(block.length - filled, piece.length - at);
        block.set(piece.subarray(at, at + step), filled);
        filled += step;
        at += step;
        if (filled === block.length) flush();
      }
    }
    flush();
    await Promise.all(underWay);
  } finally {
    if (block !== undefined) giveStep(block);
  }
}
