import assert from 'node:assert/strict';
import { after, describe, it, type TestContext } from 'node:test';
import { pino } from 'pino';
import { enqueueJob, listJobItems, listJobs } from '../../../server/catalog/jobs.ts';
import { openPostgres } from '../../../server/catalog/postgres.ts';
import { systemClock } from '../../../server/clock.ts';
import { JobFeed, type JobUpdate } from '../../../server/jobs/job-feed.ts';
import type { JobRun } from '../../../server/jobs/job-run.ts';
import { Runner } from '../../../server/jobs/runner.ts';
import { createSchedule } from '../../../server/jobs/schedule.ts';
import { ChaosProxy } from '../../support/chaos-proxy.ts';
import { MIGRATIONS_DIR } from '../../support/test-catalog.ts';
import { startTestPostgres } from '../../support/test-postgres.ts';

const postgres = await startTestPostgres();
after(() => postgres.stop());
const log = pino({ level: 'silent' });

describe('jobs on many nodes', { skip: postgres.skip }, () => {
  it('are each done once, and can be followed from any node', async (t) => {
    const { node } = await setUp(t);
    const done: string[] = [];
    const work = async (job: JobRun): Promise<object> => {
      done.push(job.id);
      await job.item('a', { state: 'stored' });
      return {};
    };
    const [one, other] = [await node(work), await node(work)];
    const ids: string[] = [];
    for (let number = 0; number < 12; number += 1) ids.push(await one.add());
    const feed = new JobFeed({ catalog: other.catalog, clock: systemClock });
    const following = (async () => {
      const updates: JobUpdate[] = [];
      for await (const update of feed.follow(ids[11] ?? '', { signal: t.signal })) updates.push(update);
      return updates;
    })();
    await Promise.all([one.runner.drain(), other.runner.drain()]);
    assert.deepEqual(done.toSorted(), ids);
    const updates = await following;
    assert.equal(updates.at(-1)?.job.state, 'succeeded');
    assert.equal(updates.flatMap(({ items }) => items).length, 1);
  });

  it('that recur are made by one node', async (t) => {
    const { node } = await setUp(t);
    const idle = () => node(async () => ({}));
    const [one, two, three] = [await idle(), await idle(), await idle()];
    const { promise, resolve } = Promise.withResolvers<void>();
    const recurring = [{ kind: 'verify-blobs', input: {}, everyMs: 24 * 60 * 60_000 }] as const;
    const schedules = [one, two, three].map(({ catalog }) =>
      createSchedule({ catalog, clock: systemClock, log, recurring, onAdded: resolve }),
    );
    for (const schedule of schedules) schedule.start();
    await promise;
    for (const schedule of schedules) await schedule.stop();
    const jobs = await one.catalog.read(() => listJobs({ limit: 10 }));
    assert.equal(jobs.length, 1);
  });

  it('end well although the line to the database is cut again and again', async (t) => {
    const { node, proxy } = await setUp(t);
    const { runner, add, catalog } = await node(async (job) => {
      for (let number = 0; number < 500; number += 1) {
        if (number % 100 === 0) proxy.cut();
        await job.item(`k${number}`, { state: 'stored' });
      }
      proxy.cut();
      return { all: true };
    });
    const id = await add();
    await runner.drain();
    const [job] = await catalog.read(() => listJobs({ limit: 1 }));
    assert.deepEqual([job?.state, job?.attempts, job?.result], ['succeeded', 1, { all: true }]);
    assert.equal((await catalog.read(() => listJobItems(id, { limit: 1000 }))).length, 500);
  });
});

async function setUp(t: TestContext) {
  const url = await postgres.database();
  const socketDir = new URLSearchParams(url.slice(url.indexOf('?'))).get('host');
  const proxy = await ChaosProxy.start({ path: `${socketDir}/.s.PGSQL.5432` });
  t.after(() => proxy.stop());
  const through = `postgres://app@127.0.0.1:${proxy.port}/${url.match(/t_\d+/)?.[0]}`;
  const node = async (work: (job: JobRun) => Promise<object>) => {
    const catalog = await openPostgres({ url: through, migrationsDir: MIGRATIONS_DIR, poolSize: 4 });
    t.after(() => catalog.close());
    const runner = new Runner({ 'verify-blobs': work }, { catalog, clock: systemClock, log });
    const add = async (): Promise<string> => {
      const now = systemClock.nowMs();
      const job = { kind: 'verify-blobs', input: {}, actor: { name: 'root' }, now } as const;
      return (await catalog.write(() => enqueueJob(job))) ?? '';
    };
    return { catalog, runner, add };
  };
  return { node, proxy };
}
