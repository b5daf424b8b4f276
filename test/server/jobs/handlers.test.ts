import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { run } from '../../../server/catalog/catalog.ts';
import { enqueueJob, findJob, listJobs } from '../../../server/catalog/jobs.ts';
import { sql } from '../../../server/catalog/schema.ts';
import { jobHandlers } from '../../../server/jobs/handlers.ts';
import { Runner } from '../../../server/jobs/runner.ts';
import { createSchedule, recurringJobs } from '../../../server/jobs/schedule.ts';
import { createBlobKeeper } from '../../../server/keep-blobs.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { spooled } from '../../support/spooled.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { testCatalog } from '../../support/test-catalog.ts';

const DAY = 24 * 60 * 60_000;
const log = pino({ level: 'silent' });

describe('what a server does of its own accord', () => {
  it('collects garbage, verifies, and forgets old jobs, day after day', async (t) => {
    const catalog = await testCatalog(t);
    const dir = await tempDir(t);
    const clock = new FakeClock();
    const blobs = new MemoryStore();
    const parts = { catalog, blobs, clock, setAsideDir: join(dir, 'aside'), keepFinishedMs: 3 * DAY };
    const runner = new Runner(jobHandlers(parts), { catalog, clock, log });
    const schedule = createSchedule({ catalog, clock, log, recurring: recurringJobs() });
    await createBlobKeeper({ catalog, blobs, clock }).keep(await spooled(dir, 'loose'));
    schedule.start();
    for (let day = 0; day < 8; day += 1) {
      await clock.untilSleeping();
      await runner.drain();
      await clock.advance(DAY);
    }
    await schedule.stop();
    await runner.drain();
    assert.equal(blobs.size, 0);
    const jobs = await catalog.read(() => listJobs({ limit: 100 }));
    assert.ok(jobs.every(({ state }) => state === 'succeeded'));
    assert.ok(jobs.some(({ kind, result }) => kind === 'collect-garbage' && result?.removed === 0));
    assert.ok(jobs.some(({ kind, result }) => kind === 'prune-jobs' && Number(result?.pruned) > 0));
    assert.ok(jobs.length < 2 * 5 + 2);
  });

  it('collects at once when told how old garbage has to be', async (t) => {
    const catalog = await testCatalog(t);
    const dir = await tempDir(t);
    const clock = new FakeClock();
    const blobs = new MemoryStore();
    const parts = { catalog, blobs, clock, setAsideDir: join(dir, 'aside'), keepFinishedMs: DAY };
    const runner = new Runner(jobHandlers(parts), { catalog, clock, log });
    await createBlobKeeper({ catalog, blobs, clock }).keep(await spooled(dir, 'loose'));
    await clock.advance(1000);
    const job = {
      kind: 'collect-garbage',
      input: { graceMs: 500 },
      actor: { name: 'root' },
      now: clock.nowMs(),
    } as const;
    const id = await catalog.write(() => enqueueJob(job));
    await runner.drain();
    const done = await catalog.read(() => findJob(id ?? ''));
    assert.deepEqual(done?.result, {
      evicted: 0,
      evictedBytes: 0,
      checked: 1,
      removed: 1,
      removedBytes: 5,
      adopted: 0,
    });
    assert.deepEqual(done?.progress, done?.result);
    assert.equal(await catalog.write(() => run(sql.deleteFrom('blob'))), 0);
  });
});
