import { pino } from 'pino';
import { parseProjectName } from '../../../server/model/project-name.ts';
import { Problem, type ProblemSlug } from '../../../server/problem.ts';
import { HttpUpstream, type HttpUpstreamOptions } from '../../../server/upstream/http-upstream.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** The project that these tests ask for. */
export const DEMO = parseProjectName('demo');

/** An upstream client whose time stands still, without retries unless told; stopped when the test ends. */
export async function anUpstream(
  t: { after(fn: () => Promise<void>): void },
  url: string,
  options: Partial<HttpUpstreamOptions> = {},
): Promise<{ upstream: HttpUpstream; clock: FakeClock }> {
  const clock = options.clock instanceof FakeClock ? options.clock : new FakeClock();
  const upstream = await HttpUpstream.open({
    name: 'pypi',
    url: new URL(url),
    userAgent: 'stormcellar/test (ops@example.test)',
    log: pino({ level: 'silent' }),
    random: () => 0.5,
    retries: 0,
    ...options,
    clock,
  });
  t.after(() => upstream.stop());
  return { upstream, clock };
}

/** For `assert.rejects`: a problem of this kind, with a sentence like that. */
export function problem(slug: ProblemSlug, detail: RegExp = /./): (error: unknown) => boolean {
  return (error) => {
    if (!(error instanceof Problem)) throw error;
    if (error.slug !== slug || !detail.test(error.detail)) throw new Error(`${error.slug}: ${error.detail}`);
    return true;
  };
}

/** Moves the clock, in small steps, until the promise settles: for pauses that nobody counts. */
export async function settledAfter<T>(clock: FakeClock, promise: Promise<T>, stepMs = 1_000): Promise<T> {
  let settled = false;
  const watched = promise.finally(() => {
    settled = true;
  });
  watched.catch(() => {});
  while (!settled) {
    await clock.advance(stepMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return await watched;
}
