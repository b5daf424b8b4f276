import type { FakeClock } from './fake-clock.ts';

/** Runs a request to its end although it waits for the clock. */
export async function whileTimePasses<T>(clock: FakeClock, running: Promise<T>): Promise<T> {
  let isOver = false;
  const over = running.finally(() => {
    isOver = true;
  });
  over.catch(() => undefined);
  while (!isOver) {
    await clock.advance(250);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return over;
}
