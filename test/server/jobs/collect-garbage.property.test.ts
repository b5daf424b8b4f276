import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc, { type Scheduler } from 'fast-check';
import { adoptBlobs } from '../../../server/catalog/blobs.ts';
import { all, type Catalog, run } from '../../../server/catalog/catalog.ts';
import { sql } from '../../../server/catalog/schema.ts';
import { openSqlite } from '../../../server/catalog/sqlite.ts';
import type { Clock } from '../../../server/clock.ts';
import { type CollectParts, collectGarbage } from '../../../server/jobs/collect-garbage.ts';
import { createBlobKeeper } from '../../../server/keep-blobs.ts';
import type { Spooled } from '../../../storage/blob-store.ts';
import type { Digest } from '../../../storage/digest.ts';
import { StorageUnavailableError } from '../../../storage/errors.ts';
import { digestOf } from '../../support/spooled.ts';
import { MIGRATIONS_DIR } from '../../support/test-catalog.ts';

const MINUTE = 60_000;
const GRACE_MS = 30 * MINUTE;
const DIGESTS = ['a', 'b', 'c'].map(digestOf);

const digest = fc.constantFrom(...DIGESTS);
const publish = fc.record({ kind: fc.constant('publish' as const), digest });
const remove = fc.record({ kind: fc.constant('delete' as const), digest });
const wait = fc.record({
  kind: fc.constant('wait' as const),
  ms: fc.constantFrom(1000, 4 * MINUTE, 12 * MINUTE, 40 * MINUTE),
});
// The collector dies at that step of its own, if it gets so far.
const diesAt = fc.constantFrom(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 9, 11, 13, 15);
const collect = fc.record({ kind: fc.constant('collect' as const), diesAt });
/** What those who work at the same time do, each in order: two who write, two collectors, and time. */
const scripts = fc.tuple(
  fc.array(fc.oneof(publish, remove), { minLength: 1, maxLength: 4 }),
  fc.array(fc.oneof(publish, remove, wait), { maxLength: 4 }),
  fc.array(collect, { minLength: 1, maxLength: 3 }),
  fc.array(collect, { maxLength: 2 }),
  fc.array(wait, { maxLength: 8 }),
);
type Act = typeof scripts extends fc.Arbitrary<infer T extends readonly unknown[][]> ? T[number][number] : never;

describe('garbage collection', () => {
  it('never takes the bytes of a file that is there, however steps interleave, and all others in the end', async () => {
    const property = fc.asyncProperty(fc.scheduler(), scripts, async (scheduler, acts) => {
      const catalog = await openSqlite({ path: ':memory:', migrationsDir: MIGRATIONS_DIR });
      try {
        const world = new World(scheduler, catalog);
        await world.begin();
        const done = Promise.all(acts.map((script, index) => world.perform(`w${index}`, script)));
        await Promise.all([scheduler.waitFor(done), done]);
        await world.end();
      } finally {
        await catalog.close();
      }
    });
    await fc.assert(property, { numRuns: 300 });
  });
});

/** One store and one catalog, used by many at a time; each step of each waits for the scheduler to let it go on. */
class World {
  readonly stored = new Set<Digest>(DIGESTS);
  readonly #scheduler: Scheduler;
  readonly #catalog: Catalog;
  #now = Date.UTC(2026, 0, 1);
  /** Time does not go past these while what set them is under way: what the protocol asks of the machines it runs on. */
  readonly #deadlines = new Set<{ readonly at: number }>();

  constructor(scheduler: Scheduler, catalog: Catalog) {
    this.#scheduler = scheduler;
    this.#catalog = catalog;
  }

  readonly #clock: Clock = {
    now: () => new Date(this.#now),
    nowMs: () => this.#now,
    sleep: async (ms) => {
      await this.#turn('sleep');
      this.#pass(ms);
    },
  };

  /** Old blobs that nothing refers to. */
  async begin(): Promise<void> {
    const blobs = DIGESTS.map((one) => ({ digest: one, size: 1 }));
    await this.#catalog.write(() => adoptBlobs(blobs, this.#now - 10 * GRACE_MS));
  }

  async perform(name: string, acts: readonly Act[]): Promise<void> {
    for (const [index, one] of acts.entries()) {
      if (one.kind === 'publish') await this.#publish(`${name}-${index}`, one.digest);
      if (one.kind === 'delete') await this.#deleteFiles(one.digest);
      if (one.kind === 'collect') await this.#collect(one.diesAt);
      if (one.kind === 'wait') await this.#clock.sleep(one.ms);
    }
  }

  /** Whatever has happened: a while later, what is stored is what files name. */
  async end(): Promise<void> {
    await this.#check();
    for (let times = 0; times < 2; times += 1) {
      this.#now += 2 * GRACE_MS;
      const parts = { catalog: this.#catalog, clock: this.#clock, blobs: this.#store(async () => {}) };
      await collectGarbage(parts, { actor: { name: 'test' }, signal: new AbortController().signal, graceMs: GRACE_MS });
    }
    const rows = await this.#catalog.read(() => all(sql.selectFrom('blob').select('digest')));
    const named = [...(await this.#named())].sort();
    assert.deepEqual([...this.stored].sort(), named);
    assert.deepEqual(rows.map(({ digest }) => digest).sort(), named);
  }

  async #publish(name: string, digest: Digest): Promise<void> {
    const end = this.#until(this.#now + GRACE_MS);
    const blobs = {
      put: async (blob: Spooled) => {
        await this.#turn('put');
        this.stored.add(blob.digest);
      },
    };
    const keeper = createBlobKeeper({
      catalog: this.#taking(async () => this.#turn('row')),
      blobs,
      clock: this.#clock,
    });
    try {
      await keeper.keep({ digest, size: 1, path: '' });
      await this.#turn('publish');
      await this.#insertFile(name, digest);
    } catch (error) {
      if (!(error instanceof StorageUnavailableError)) throw error;
    } finally {
      end();
    }
    await this.#check();
  }

  async #insertFile(filename: string, digest: Digest): Promise<void> {
    const file = {
      project: 'p',
      filename,
      repository: 'r',
      version: '1',
      digest,
      size: 1,
      detail: '{}',
      stored_at: this.#now,
    };
    await this.#catalog.write(() => run(sql.insertInto('file').values({ ...file, deleted_at: null })));
  }

  async #deleteFiles(digest: Digest): Promise<void> {
    await this.#turn('delete');
    await this.#catalog.write(() =>
      run(sql.updateTable('file').set({ deleted_at: this.#now }).where('digest', '=', digest)),
    );
  }

  async #collect(diesAt: number): Promise<void> {
    let step = 0;
    const turn = async (): Promise<void> => {
      step += 1;
      if (step >= diesAt) throw new Died();
      await this.#turn('collect');
    };
    const parts: CollectParts = { catalog: this.#taking(turn), blobs: this.#store(turn), clock: this.#clock };
    const signal = new AbortController().signal;
    try {
      await collectGarbage(parts, { actor: { name: 'test' }, signal, graceMs: GRACE_MS });
    } catch (error) {
      if (!(error instanceof Died)) throw error;
    }
  }

  #store(turn: () => Promise<void>): CollectParts['blobs'] {
    const stored = this.stored;
    return {
      delete: async (digest) => {
        const end = this.#until(this.#now + 5 * MINUTE);
        try {
          await turn();
          stored.delete(digest);
        } finally {
          end();
        }
        await this.#check();
      },
      async *list() {
        await turn();
        for (const digest of [...stored].sort()) yield { digest, size: 1 };
      },
    };
  }

  /** The catalog over a line on which both the question and the answer take their time. */
  #taking(turn: () => Promise<void>): Catalog {
    const over = async <T>(work: () => Promise<T>): Promise<T> => {
      await turn();
      const result = await work();
      await turn();
      return result;
    };
    return {
      read: (script) => over(() => this.#catalog.read(script)),
      write: (script) => over(() => this.#catalog.write(script)),
      close: async () => {},
    };
  }

  #turn(label: string): Promise<void> {
    return this.#scheduler.schedule(Promise.resolve(), label);
  }

  #until(deadline: number): () => void {
    const entry = { at: deadline };
    this.#deadlines.add(entry);
    return () => this.#deadlines.delete(entry);
  }

  #pass(ms: number): void {
    const latest = Math.min(this.#now + ms, ...[...this.#deadlines].map(({ at }) => at - 1));
    this.#now = Math.max(this.#now, latest);
  }

  async #named(): Promise<ReadonlySet<Digest>> {
    const rows = await this.#catalog.read(() =>
      all(sql.selectFrom('file').select('digest').where('deleted_at', 'is', null)),
    );
    return new Set(rows.map(({ digest }) => digest as Digest));
  }

  async #check(): Promise<void> {
    const rows = await this.#catalog.read(() => all(sql.selectFrom('blob').select('digest')));
    const known = new Set(rows.map((row) => row.digest));
    for (const name of await this.#named()) {
      assert.ok(this.stored.has(name), `the bytes of ${name} are there`);
      assert.ok(known.has(name), `the row of ${name} is there`);
    }
  }
}

class Died extends Error {}
