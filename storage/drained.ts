import type { Writable } from 'node:stream';

/** Resolves when `out` takes more, or has gone: to be waited for after a `write` that said `false`. Leaves no listener behind. */
export function drained(out: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      out.off('drain', done).off('close', done);
      resolve();
    };
    if (out.destroyed) resolve();
    else out.on('drain', done).on('close', done);
  });
}
