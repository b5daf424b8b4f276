import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { pino } from 'pino';
import type { Catalog } from '../../../server/catalog/catalog.ts';
import { CatalogUnavailableError } from '../../../server/catalog/errors.ts';
import { enqueueJob, listJobItems, type NewJob } from '../../../server/catalog/jobs.ts';
import { JobFeed } from '../../../server/jobs/job-feed.ts';
import { type JobRun, LEASE_MS } from '../../../server/jobs/job-run.ts';
import { Jobs } from '../../../server/jobs/jobs.ts';
import { JobGivesUp, type JobHandler, Runner } from '../../../server/jobs/runner.ts';
import type { JobCounts, JobKind } from '../../../server/model/job.ts';
import { Problem } from '../../../server/problem.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { failTimes, faulty } from '../../support/faulty.ts';
import { testCatalog } from '../../support/test-catalog.ts';

const actor = { name: 'root' };
const log = pino({ level: 'silent' });

describe('the job runner', () => {
  it('runs what is due and keeps what comes of it', async (t) => {
    const { jobs, runner, catalog } = await setUp(t, async (job) => {
      job.progress({ done: 1 });
      await job.item('a', { state: 'stored', detail: { bytes: 3 } });
      job.progress({ done: 2 });
      return { input: job.input, by: job.actor.name };
    });
    const { id } = await jobs.add('collect-garbage', { graceMs: 7 }, actor);
    await runner.drain();
    const job = await jobs.get(id);
    assert.equal(job.state, 'succeeded');
    assert.deepEqual(job.result, { input: { graceMs: 7 }, by: 'root' });
    assert.deepEqual(job.progress, { done: 2 });
    assert.deepEqual(await catalog.read(() => listJobItems(id, { limit: 9 })), [
      { key: 'a', state: 'stored', detail: { bytes: 3 } },
    ]);
    await assert.rejects(jobs.get('nobody'), (error) => error instanceof Problem && error.slug === 'job-not-found');
  });

  it('tries again after a while what has failed, and gives up in the end', async (t) => {
    const tries: number[] = [];
    const { jobs, runner, clock } = await setUp(t, async () => {
      tries.push(clock.nowMs());
      throw new Error('a secret path');
    });
    const { id } = await jobs.add('verify-blobs', {}, actor);
    const start = clock.nowMs();
    for (let second = 0; second < 2000; second += 10) {
      await runner.drain();
      await clock.advance(10_000);
    }
    assert.deepEqual(
      tries.map((at) => (at - start) / 1000),
      [0, 10, 50, 210, 850],
    );
    const job = await jobs.get(id);
    assert.equal(job.state, 'failed');
    assert.match(job.error ?? '', /^Internal error/);
  });

  it('does not try again what cannot become better', async (t) => {
    const errors = [new JobGivesUp('The lock names no file.'), new Problem('malformed-request', 'No lock.')];
    const { jobs, runner } = await setUp(t, async () => {
      throw errors.shift();
    });
    const first = await jobs.add('verify-blobs', {}, actor);
    await runner.drain();
    const second = await jobs.add('verify-blobs', {}, actor);
    await runner.drain();
    const ended = [await jobs.get(first.id), await jobs.get(second.id)];
    assert.deepEqual(
      ended.map(({ state, error }) => [state, error]),
      [
        ['failed', 'The lock names no file.'],
        ['failed', 'No lock.'],
      ],
    );
  });

  it('runs no more at a time than it is told to', async (t) => {
    let now = 0;
    let most = 0;
    const { jobs, runner } = await setUp(t, async () => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
      return {};
    });
    for (let number = 0; number < 6; number += 1) await jobs.add('verify-blobs', {}, actor);
    await runner.drain();
    assert.equal(most, 2);
  });

  it('begins at once with a new job, and sees one of another node within a second', async (t) => {
    const { jobs, runner, clock, catalog, started } = await setUp(t, async () => ({}));
    runner.start();
    await clock.untilSleeping();
    await jobs.add('verify-blobs', {}, actor);
    await started.next();
    await clock.untilSleeping();
    const job: NewJob = { kind: 'verify-blobs', input: {}, actor, now: clock.nowMs() };
    await catalog.write(() => enqueueJob(job));
    await clock.advance(1000);
    await started.next();
    await runner.stop();
  });

  it('lets a cancelled job end, and it stays cancelled', async (t) => {
    const { jobs, runner, started } = await setUp(t, untilAborted);
    runner.start();
    const { id } = await jobs.add('verify-blobs', {}, actor);
    await started.next();
    await jobs.cancel(id, actor);
    await runner.drain();
    assert.equal((await jobs.get(id)).state, 'cancelled');
    await runner.stop();
  });

  it('stops jobs under way, so that the next process goes on with them where they were', async (t) => {
    const begins: [string | undefined, JobCounts][] = [];
    const { jobs, runner, started, catalog, clock } = await setUp(t, async (job) => {
      begins.push([job.position, job.counts]);
      job.progress({ done: 5 }, 'half');
      return await untilAborted(job);
    });
    runner.start();
    const { id } = await jobs.add('verify-blobs', {}, actor);
    await started.next();
    await runner.stop();
    const waiting = await jobs.get(id);
    assert.deepEqual([waiting.state, waiting.attempts, waiting.progress], ['queued', 0, { done: 5 }]);
    const next = new Runner(
      every(async (job) => ({ count: begins.push([job.position, job.counts]) })),
      { catalog, clock, log },
    );
    await next.drain();
    assert.equal((await jobs.get(id)).state, 'succeeded');
    assert.deepEqual(begins, [
      [undefined, {}],
      ['half', { done: 5 }],
    ]);
  });

  it('keeps a job that takes long, and loses one that another node has taken over', async (t) => {
    const { jobs, runner, started, clock, catalog } = await setUp(t, untilAborted);
    runner.start();
    const { id } = await jobs.add('verify-blobs', {}, actor);
    const run = await started.next();
    const other = new Runner(
      every(async () => ({ by: 'other' })),
      { catalog, clock, log },
    );
    for (let second = 0; second < 180; second += 1) await clock.advance(1000);
    await other.drain();
    assert.equal((await jobs.get(id)).state, 'running');
    assert.equal(run.signal.aborted, false);
    // As a machine that was asleep: time has passed before anything could be renewed.
    await clock.advance(LEASE_MS + 1, { wakes: false });
    await other.drain();
    assert.deepEqual((await jobs.get(id)).result, { by: 'other' });
    await clock.advance(1000);
    assert.equal(run.signal.aborted, true);
    await runner.stop();
    assert.deepEqual((await jobs.get(id)).result, { by: 'other' });
  });

  it('goes through a time without a catalog, and tells afterwards what it could not tell', async (t) => {
    const down = failTimes(3, new CatalogUnavailableError('away'));
    let isDown = false;
    const { jobs, runner, started, clock, catalog } = await setUp(
      t,
      async (job) => {
        isDown = true;
        job.progress({ done: 1 });
        await job.item('a', { state: 'stored' });
        await clock.sleep(2500);
        return { all: true };
      },
      (real) => faulty(real, { write: () => (isDown ? down() : undefined) }),
    );
    runner.start();
    const { id } = await jobs.add('verify-blobs', {}, actor);
    await started.next();
    for (let second = 0; second < 6; second += 1) await clock.advance(1000);
    const job = await jobs.get(id);
    assert.deepEqual([job.state, job.result, job.progress], ['succeeded', { all: true }, { done: 1 }]);
    assert.equal((await catalog.read(() => listJobItems(id, { limit: 9 }))).length, 1);
    await runner.stop();
  });

  it('makes a job only once while one of its kind waits or runs', async (t) => {
    const { jobs } = await setUp(t, async () => ({}));
    const one = await jobs.addOnce('collect-garbage', {}, actor);
    const other = await jobs.addOnce('collect-garbage', {}, actor);
    assert.equal(one.id, other.id);
    assert.equal((await jobs.list({ limit: 10 })).length, 1);
  });
});

describe('following a job', () => {
  it('shows each change and each outcome once, to the end', async (t) => {
    const { jobs, runner } = await setUp(t, async (job) => {
      for (let number = 0; number < 450; number += 1) await job.item(`k${number}`, { state: 'stored' });
      return {};
    });
    const { id } = await jobs.add('verify-blobs', {}, actor);
    const states: string[] = [];
    const keys: string[] = [];
    const following = (async () => {
      for await (const { job, items } of jobs.follow(id, { signal: t.signal })) {
        if (states.at(-1) !== job.state) states.push(job.state);
        keys.push(...items.map(({ key }) => key));
      }
    })();
    await runner.drain();
    await following;
    assert.equal(states[0], 'queued');
    assert.equal(states.at(-1), 'succeeded');
    assert.equal(keys.length, 450);
    assert.equal(new Set(keys).size, 450);
  });

  it('goes on from what the follower knows, and polls for what other nodes do', async (t) => {
    const { jobs, clock, catalog } = await setUp(t, async () => ({}));
    const { id, revision } = await jobs.add('verify-blobs', {}, actor);
    const updates = jobs.follow(id, { signal: t.signal, after: revision })[Symbol.asyncIterator]();
    const next = updates.next();
    await clock.untilSleeping();
    await new Runner(
      every(async () => ({})),
      { catalog, clock, log },
    ).drain();
    await clock.advance(1000);
    assert.equal((await next).value.job.state, 'succeeded');
    assert.equal((await updates.next()).done, true);
  });

  it('ends when the follower leaves, and is nothing for a job that is not there', async (t) => {
    const { jobs, clock } = await setUp(t, async () => ({}));
    const { id } = await jobs.add('verify-blobs', {}, actor);
    const leaving = new AbortController();
    const updates = jobs.follow(id, { signal: leaving.signal })[Symbol.asyncIterator]();
    assert.equal((await updates.next()).value.job.state, 'queued');
    const next = updates.next();
    await clock.untilSleeping();
    leaving.abort();
    assert.equal((await next).done, true);
    for await (const update of jobs.follow('nobody', { signal: t.signal })) assert.fail(JSON.stringify(update));
  });
});

type Work = (job: JobRun) => Promise<object>;

/** The same work for some kinds. */
function every(work: Work) {
  const handler: JobHandler<JobKind> = async (job) => await work(job);
  return { 'collect-garbage': handler, 'verify-blobs': handler };
}

async function untilAborted({ signal }: JobRun): Promise<never> {
  await new Promise((resolve) => signal.addEventListener('abort', resolve));
  throw signal.reason;
}

async function setUp(t: TestContext, work: Work, wrap: (catalog: Catalog) => Catalog = (catalog) => catalog) {
  const catalog = wrap(await testCatalog(t, { always: 'in memory' }));
  const clock = new FakeClock();
  const feed = new JobFeed({ catalog, clock });
  const started = new Arrivals<JobRun>();
  const handlers = every(async (job) => {
    started.add(job);
    return await work(job);
  });
  const runner = new Runner(handlers, { catalog, clock, log, onChange: (id) => feed.changed(id) });
  const jobs = new Jobs({ catalog, clock, feed, wake: () => runner.wake() });
  return { catalog, clock, feed, runner, jobs, started };
}

/** Things that happen, to be awaited one by one. */
class Arrivals<T> {
  readonly #arrived: T[] = [];
  #waiting: ((value: T) => void) | undefined;

  add(value: T): void {
    if (this.#waiting === undefined) this.#arrived.push(value);
    else this.#waiting(value);
    this.#waiting = undefined;
  }

  next(): Promise<T> {
    const value = this.#arrived.shift();
    if (value !== undefined) return Promise.resolve(value);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }
}
