import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { CatalogUnavailableError } from '../../../server/catalog/errors.ts';
import { listJobs } from '../../../server/catalog/jobs.ts';
import { createSchedule, type Recurring } from '../../../server/jobs/schedule.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { failOnce, faulty } from '../../support/faulty.ts';
import { testCatalog } from '../../support/test-catalog.ts';

const log = pino({ level: 'silent' });
const HOUR = 60 * 60_000;
const recurring: readonly Recurring[] = [
  { kind: 'collect-garbage', input: {}, everyMs: HOUR },
  { kind: 'prune-jobs', input: {}, everyMs: 24 * HOUR },
];

describe('the schedule', () => {
  it('makes each job once for all nodes and each turn', async (t) => {
    const catalog = await testCatalog(t, { always: 'in memory' });
    const clock = new FakeClock(Date.UTC(2026, 0, 1, 10, 30));
    let added = 0;
    const parts = { catalog, clock, log, recurring, onAdded: () => added++ };
    const nodes = [createSchedule(parts), createSchedule(parts)];
    for (const node of nodes) node.start();
    await clock.untilSleeping(2);
    assert.equal(added, 2);
    for (let minute = 0; minute < 95; minute += 1) await clock.advance(60_000);
    const jobs = await catalog.read(() => listJobs({ limit: 10 }));
    assert.deepEqual(jobs.map(({ kind }) => kind).sort(), [
      'collect-garbage',
      'collect-garbage',
      'collect-garbage',
      'prune-jobs',
    ]);
    for (const node of nodes) await node.stop();
    const restarted = createSchedule(parts);
    restarted.start();
    await clock.untilSleeping();
    await restarted.stop();
    assert.equal(added, 4);
  });

  it('outlives a catalog that is away', async (t) => {
    const real = await testCatalog(t, { always: 'in memory' });
    const clock = new FakeClock();
    const catalog = faulty(real, { write: failOnce(new CatalogUnavailableError('away')) });
    const schedule = createSchedule({ catalog, clock, log, recurring });
    schedule.start();
    await clock.untilSleeping();
    await clock.advance(60_000);
    await schedule.stop();
    assert.equal((await real.read(() => listJobs({ limit: 10 }))).length, 2);
  });
});
