import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Catalog, first } from '../../server/catalog/catalog.ts';
import { listEvents } from '../../server/catalog/events.ts';
import { claimJob, endJob, isJobDue, renewJob } from '../../server/catalog/job-claims.ts';
import {
  cancelJob,
  countJobItems,
  enqueueJob,
  findActiveJob,
  findJob,
  listJobItems,
  listJobs,
  type NewJob,
  newJobItems,
  pruneJobs,
} from '../../server/catalog/jobs.ts';
import { sql } from '../../server/catalog/schema.ts';

const actor = { name: 'root', address: '192.0.2.1' };
const kinds = ['collect-garbage', 'verify-blobs'] as const;
const LEASE = 60_000;
const NONE = { items: [] };

/** What the queue promises on every catalog. `make` opens one of its own, with every migration and no rows. */
export function jobQueueContract(
  name: string,
  make: () => Promise<Catalog>,
  options: { skip?: string | false } = {},
): void {
  describe(`${name}: what the job queue promises`, { skip: options.skip ?? false }, () => {
    const test = (promise: string, body: (queue: Queue) => Promise<void>): void => {
      it(promise, async () => {
        const catalog = await make();
        try {
          await body(new Queue(catalog));
        } finally {
          await catalog.close();
        }
      });
    };

    test('a job is claimed by one, worked on, and ended, with its outcomes', async (queue) => {
      const id = await queue.add({ input: { graceMs: 5 } });
      assert.equal(await queue.isDue(1000), true);
      const claim = await queue.claim(1000);
      assert.equal(claim?.job.id, id);
      assert.deepEqual(claim?.job.input, { graceMs: 5 });
      assert.equal(claim?.job.startedAt, 1000);
      assert.equal(await queue.claim(1000), undefined);
      assert.equal(await queue.isDue(1000), false);
      const items = [
        { key: 'b', state: 'stored', detail: { bytes: 5 } },
        { key: 'a', state: 'failed', detail: { why: 'ü' } },
      ];
      assert.equal(await queue.renew(claim, 2000, { progress: { done: 1 }, position: 'p', items }), 'held');
      const again = [{ key: 'a', state: 'stored', detail: {} }];
      assert.equal(await queue.end(claim, 3000, { state: 'succeeded', result: { sum: 2 } }, { items: again }), true);
      const job = await queue.find(id);
      assert.equal(job?.state, 'succeeded');
      assert.deepEqual(job?.result, { sum: 2 });
      assert.deepEqual(job?.progress, { done: 1 });
      assert.equal(job?.finishedAt, 3000);
      assert.deepEqual(await queue.read(() => listJobItems(id, { limit: 10 })), [again[0], items[0]]);
      assert.deepEqual(await queue.read(() => listJobItems(id, { limit: 10, after: 'a' })), [items[0]]);
      assert.deepEqual(await queue.read(() => countJobItems(id)), { stored: 2 });
      const events = await queue.read(() => listEvents({ after: '', limit: 10 }));
      assert.deepEqual(
        events.map(({ kind }) => kind),
        ['job-queued', 'job-succeeded'],
      );
    });

    test('a secret is for the handler alone, and forgotten when the job has finished', async (queue) => {
      const id = await queue.add({ secret: 'swordfish' });
      assert.doesNotMatch(JSON.stringify(await queue.find(id)), /swordfish/);
      const claim = await queue.claim(1000);
      assert.equal(claim?.secret, 'swordfish');
      assert.equal(await queue.end(claim, 1500, { state: 'queued', dueAt: 2000, counted: true }), true);
      const again = await queue.claim(2000);
      assert.equal(again?.secret, 'swordfish');
      assert.equal(await queue.end(again, 2500, { state: 'failed', error: 'x' }), true);
      const waiting = await queue.add({ secret: 'swordfish' });
      await queue.cancel(waiting);
      for (const finished of [id, waiting]) assert.equal(await queue.secretOf(finished), null);
    });

    test('many claim at once: each job goes to one, the one due for longest first', async (queue) => {
      const ids: string[] = [];
      for (let number = 0; number < 8; number += 1) ids.push(await queue.add({ now: number }));
      const claims = await Promise.all(Array.from({ length: 10 }, () => queue.claim(1000)));
      const claimed = claims.flatMap((claim) => (claim === undefined ? [] : [claim.job.id]));
      assert.deepEqual(claimed.toSorted(), ids);
      const first = await queue.add({ now: 50 });
      await queue.add({ now: 60 });
      assert.equal((await queue.claim(1000))?.job.id, first);
    });

    test('a job waits until it is due, and for somebody who can do it', async (queue) => {
      await queue.add({ dueAt: 5000 });
      await queue.add({ kind: 'prune-jobs', input: {} });
      assert.equal(await queue.claim(4999), undefined);
      assert.ok(await queue.claim(5000));
      assert.equal(await queue.claim(5000), undefined);
    });

    test('a unique key makes one job, whoever comes first', async (queue) => {
      const made = await Promise.all(Array.from({ length: 5 }, () => queue.tryAdd({ uniqueKey: 'gc@1' })));
      assert.equal(made.filter((id) => id !== undefined).length, 1);
      assert.equal((await queue.read(() => listJobs({ limit: 10 }))).length, 1);
      assert.equal((await queue.claim(1000))?.job.isScheduled, true);
      assert.deepEqual(await queue.read(() => listEvents({ limit: 10 })), []);
    });

    test('a job whose node has died is taken over, and the dead one can no longer change it', async (queue) => {
      const id = await queue.add({});
      const dead = await queue.claim(1000);
      await queue.renew(dead, 2000, { progress: { done: 1 }, position: 'half', items: [] });
      assert.equal(await queue.claim(2000 + LEASE), undefined);
      const heir = await queue.claim(2001 + LEASE);
      assert.equal(heir?.job.id, id);
      assert.equal(heir?.job.attempts, 2);
      assert.equal(heir?.position, 'half');
      assert.equal(await queue.renew(dead, 90_000), 'lost');
      assert.equal(await queue.end(dead, 90_000, { state: 'failed', error: 'x' }), false);
      assert.equal(await queue.end(heir, 90_000, { state: 'succeeded', result: {} }), true);
      assert.equal((await queue.find(id))?.state, 'succeeded');
    });

    test('a job that kills every node that runs it ends', async (queue) => {
      const id = await queue.add({ maxAttempts: 2 });
      await queue.claim(1000);
      await queue.claim(100_000);
      assert.equal(await queue.claim(200_000), undefined);
      const job = await queue.find(id);
      assert.equal(job?.state, 'failed');
      assert.match(job?.error ?? '', /stopped in the middle/);
    });

    test('a try that failed is followed by another, one that was stopped does not count', async (queue) => {
      const id = await queue.add({});
      await queue.end(await queue.claim(1000), 2000, { state: 'queued', dueAt: 9000, error: 'no luck', counted: true });
      const waiting = await queue.find(id);
      assert.deepEqual([waiting?.state, waiting?.error, waiting?.attempts], ['queued', 'no luck', 1]);
      assert.equal(await queue.claim(8999), undefined);
      await queue.end(await queue.claim(9000), 9100, { state: 'queued', dueAt: 9100, counted: false });
      assert.equal((await queue.find(id))?.attempts, 1);
      await queue.end(await queue.claim(9100), 9200, { state: 'succeeded', result: {} });
      assert.equal((await queue.find(id))?.error, undefined);
    });

    test('cancelling: at once while it waits, through its node while it runs, not at all when it is done', async (queue) => {
      const waiting = await queue.add({});
      assert.equal((await queue.cancel(waiting))?.state, 'cancelled');
      assert.equal(await queue.claim(1000), undefined);
      const running = await queue.add({});
      const claim = await queue.claim(1000);
      const asked = await queue.cancel(running);
      assert.deepEqual([asked?.state, asked?.cancelRequested], ['running', true]);
      assert.equal(await queue.renew(claim, 2000), 'cancel');
      await queue.end(claim, 3000, { state: 'cancelled' });
      assert.equal((await queue.cancel(running))?.finishedAt, 3000);
      assert.equal(await queue.cancel('nobody'), undefined);
      const lost = await queue.add({});
      await queue.claim(1000);
      await queue.cancel(lost);
      assert.equal(await queue.claim(500_000), undefined);
      assert.equal((await queue.find(lost))?.state, 'cancelled');
    });

    test('followers get each outcome once, in the order in which they were told', async (queue) => {
      const id = await queue.add({});
      const claim = await queue.claim(1000);
      const keys = Array.from({ length: 620 }, (_, index) => `k${String(index).padStart(3, '0')}`);
      const items = keys.map((key) => ({ key, state: 'stored', detail: {} }));
      await queue.renew(claim, 2000, { items: items.slice(200) });
      await queue.renew(claim, 2000, { items: items.slice(0, 200) });
      const start = { revision: 0, key: '' };
      const one = await queue.read(() => newJobItems(id, start));
      const two = await queue.read(() => newJobItems(id, one.cursor));
      const three = await queue.read(() => newJobItems(id, two.cursor));
      assert.deepEqual(
        [...one.items, ...two.items].map(({ key }) => key),
        [...keys.slice(200), ...keys.slice(0, 200)],
      );
      assert.deepEqual(three.items, []);
    });

    test('lists, newest first, and forgets what is old', async (queue) => {
      const ids: string[] = [];
      for (let number = 0; number < 4; number += 1) ids.push(await queue.add({ now: number }));
      const [old = '', ...rest] = ids;
      const claim = await queue.claim(100);
      await queue.end(claim, 200, { state: 'failed', error: 'x' }, { items: [{ key: 'a', state: 's', detail: {} }] });
      const listed = await queue.read(() => listJobs({ limit: 3 }));
      assert.deepEqual(
        listed.map(({ id }) => id),
        rest.toReversed(),
      );
      const older = await queue.read(() => listJobs({ limit: 3, before: rest[0] ?? '' }));
      assert.deepEqual(
        older.map(({ id }) => id),
        [old],
      );
      const failed = await queue.read(() => listJobs({ limit: 3, state: 'failed', kind: 'collect-garbage' }));
      assert.deepEqual(
        failed.map(({ id }) => id),
        [old],
      );
      assert.equal((await queue.read(() => findActiveJob('collect-garbage')))?.id, rest[0]);
      assert.equal(await queue.write(() => pruneJobs(200, 10)), 0);
      assert.equal(await queue.write(() => pruneJobs(201, 10)), 1);
      assert.equal(await queue.find(old), undefined);
      assert.deepEqual(await queue.read(() => listJobItems(old, { limit: 1 })), []);
    });
  });
}

type Claimed = NonNullable<Awaited<ReturnType<Queue['claim']>>>;

class Queue {
  readonly read: Catalog['read'];
  readonly write: Catalog['write'];
  #holders = 0;

  constructor(catalog: Catalog) {
    this.read = (script) => catalog.read(script);
    this.write = (script) => catalog.write(script);
  }

  async add(job: Partial<NewJob>): Promise<string> {
    const id = await this.tryAdd(job);
    assert.ok(id !== undefined);
    return id;
  }

  tryAdd(job: Partial<NewJob>): Promise<string | undefined> {
    return this.write(() => enqueueJob({ kind: 'collect-garbage', input: {}, actor, now: 500, ...job } as NewJob));
  }

  isDue(now: number) {
    return this.read(() => isJobDue({ kinds, now }));
  }

  claim(now: number) {
    this.#holders += 1;
    const holder = `h${this.#holders}`;
    return this.write(() => claimJob({ kinds, holder, now, leaseMs: LEASE }));
  }

  renew(claim: Claimed | undefined, now: number, report: Parameters<typeof renewJob>[1] = NONE) {
    assert.ok(claim);
    return this.write(() => renewJob(claim, report, { now, leaseMs: LEASE }));
  }

  end(
    claim: Claimed | undefined,
    now: number,
    ending: Parameters<typeof endJob>[2],
    report: Parameters<typeof renewJob>[1] = NONE,
  ) {
    assert.ok(claim);
    return this.write(() => endJob(claim, report, ending, now));
  }

  cancel(id: string) {
    return this.write(() => cancelJob(id, actor, 700));
  }

  find(id: string) {
    return this.read(() => findJob(id));
  }

  async secretOf(id: string): Promise<string | null | undefined> {
    const row = await this.read(() => first(sql.selectFrom('job').select('secret').where('id', '=', id)));
    return row?.secret;
  }
}
