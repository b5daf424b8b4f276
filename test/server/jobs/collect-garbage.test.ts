import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { adoptBlobs } from '../../../server/catalog/blobs.ts';
import { all, run } from '../../../server/catalog/catalog.ts';
import { listEvents } from '../../../server/catalog/events.ts';
import { sql } from '../../../server/catalog/schema.ts';
import { collectGarbage, GRACE_MS } from '../../../server/jobs/collect-garbage.ts';
import { createBlobKeeper } from '../../../server/keep-blobs.ts';
import type { BlobStat } from '../../../storage/blob-store.ts';
import type { Digest } from '../../../storage/digest.ts';
import { StorageUnavailableError } from '../../../storage/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { failOnce, faulty } from '../../support/faulty.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { digestOf, spooled } from '../../support/spooled.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { testCatalog } from '../../support/test-catalog.ts';
import { sha256Of } from '../../support/wheel.ts';

const actor = { name: 'root' };

describe('garbage collection', () => {
  it('removes what nothing refers to, once it is old enough, and says so in the audit trail', async (t) => {
    const { collect, keep, refer, clock, blobs, catalog } = await setUp(t);
    const kept = await keep('kept');
    const loose = await keep('loose');
    await refer('kept.whl', kept);
    assert.deepEqual(await collect(), { checked: 2, removed: 0, removedBytes: 0, adopted: 0 });
    await clock.advance(GRACE_MS + 1);
    const fresh = await keep('fresh');
    assert.deepEqual(await collect(), { checked: 3, removed: 1, removedBytes: 5, adopted: 0 });
    assert.equal(await blobs.stat(loose), undefined);
    assert.ok((await blobs.stat(kept)) && (await blobs.stat(fresh)));
    const rows = await catalog.read(() => all(sql.selectFrom('blob').select('digest').orderBy('digest')));
    assert.deepEqual(
      rows.map(({ digest }) => digest),
      [kept, fresh].sort(),
    );
    const [event] = await catalog.read(() => listEvents({ limit: 1 }));
    assert.deepEqual(event?.detail, { removed: 1, removedBytes: 5 });
    assert.equal(event?.by, 'root');
  });

  it('removes a file that was deleted, although its name stays taken', async (t) => {
    const { collect, keep, refer, clock, blobs, catalog } = await setUp(t);
    const digest = await keep('gone');
    await refer('gone.whl', digest);
    await clock.advance(GRACE_MS + 1);
    await catalog.write(() => run(sql.updateTable('file').set({ deleted_at: clock.nowMs() })));
    assert.equal((await collect()).removed, 1);
    assert.equal(await blobs.stat(digest), undefined);
  });

  it('finds bytes that have no row, and removes them a grace later', async (t) => {
    const { collect, clock, blobs, dir } = await setUp(t);
    await blobs.put(await spooled(dir, 'orphan'));
    assert.deepEqual(await collect(), { checked: 1, removed: 0, removedBytes: 0, adopted: 1 });
    await clock.advance(GRACE_MS + 1);
    assert.deepEqual(await collect(), { checked: 1, removed: 1, removedBytes: 6, adopted: 0 });
    assert.equal(blobs.size, 0);
  });

  it('leaves bytes alone when most are of a catalog that is another one', async (t) => {
    const { collect, keep, refer, clock, blobs, dir } = await setUp(t);
    await refer('kept.whl', await keep('kept'));
    for (let number = 0; number < 120; number += 1) await blobs.put(await spooled(dir, `of another ${number}`));
    const first = await collect();
    assert.deepEqual([first.removed, first.adopted], [0, 0]);
    assert.match(first.strangersNote ?? '', /^Of the first 121 blobs in the storage 120 are unknown to the catalog/);
    await clock.advance(3 * GRACE_MS);
    assert.equal((await collect()).removed, 0);
    assert.equal(blobs.size, 121);
  });

  it('tells so by the first thousand of many', async (t) => {
    const { parts } = await setUp(t);
    let listed = 0;
    async function* list(): AsyncGenerator<BlobStat> {
      for (const digest of Array.from({ length: 3_000 }, (_, number) => sha256Of(`${number}`)).sort()) {
        listed += 1;
        yield { digest, size: 1 };
      }
    }
    const options = { actor, signal: new AbortController().signal };
    const outcome = await collectGarbage({ ...parts, blobs: { list, delete: assert.fail } }, options);
    assert.match(outcome.strangersNote ?? '', /^Of the first 1000 blobs in the storage 1000 are unknown/);
    assert.deepEqual([outcome.checked, outcome.adopted, listed], [0, 0, 1_000]);
  });

  it('removes as many as crashes may leave, where most are known or they are few', async (t) => {
    const { collect, keep, refer, clock, blobs, dir } = await setUp(t);
    for (let number = 0; number < 99; number += 1) await blobs.put(await spooled(dir, `left ${number}`));
    assert.equal((await collect()).adopted, 99, 'few');
    for (let number = 0; number < 30; number += 1) await refer(`${number}.whl`, await keep(`kept ${number}`));
    for (let number = 0; number < 110; number += 1) await blobs.put(await spooled(dir, `left later ${number}`));
    assert.equal((await collect()).adopted, 110, 'fewer than those that are known');
    await clock.advance(GRACE_MS + 1);
    assert.equal((await collect()).removed, 209);
    assert.equal(blobs.size, 30);
  });

  it('finishes what a run that failed has left', async (t) => {
    const { parts, keep, clock, blobs, catalog } = await setUp(t);
    await keep('one');
    await keep('two');
    await clock.advance(GRACE_MS + 1);
    const failing = faulty(blobs, { delete: failOnce(new StorageUnavailableError('gone')) });
    const options = { actor, signal: new AbortController().signal };
    await assert.rejects(collectGarbage({ ...parts, blobs: failing }, options), StorageUnavailableError);
    assert.equal((await collectGarbage(parts, options)).removed, 1, 'the store may still be at it with the other');
    await clock.advance(11 * 60_000);
    assert.equal((await collectGarbage(parts, options)).removed, 1);
    assert.deepEqual(await catalog.read(() => all(sql.selectFrom('blob').selectAll())), []);
  });

  it('marks anew what it has not come to in five minutes', async (t) => {
    const { parts, keep, clock, blobs, catalog } = await setUp(t);
    for (const text of ['one', 'two', 'three']) await keep(text);
    await clock.advance(GRACE_MS + 1);
    const ages: number[] = [];
    const slow = faulty(blobs, {
      delete: async (digest) => {
        const row = sql.selectFrom('blob').select('doomed_at').where('digest', '=', String(digest));
        const [marked] = await catalog.read(() => all(row));
        ages.push(clock.nowMs() - (marked?.doomed_at ?? 0));
        await clock.advance(6 * 60_000);
      },
    });
    const collected = await collectGarbage({ ...parts, blobs: slow }, { actor, signal: new AbortController().signal });
    assert.equal(collected.removed, 3);
    assert.deepEqual(ages, [0, 0, 0]);
  });

  it('gives way to others after each step', async (t) => {
    const { adopt, collect } = await setUp(t);
    await adopt(450);
    let turns = 0;
    let next: NodeJS.Immediate | undefined;
    const turn = (): void => {
      turns += 1;
      next = setImmediate(turn);
    };
    turn();
    await collect();
    clearImmediate(next);
    assert.ok(turns > 3, `${turns} turns`);
  });

  it('works through many blobs in small steps, and stops when told to', async (t) => {
    const { parts, adopt, clock } = await setUp(t);
    await adopt(450);
    await clock.advance(GRACE_MS + 1);
    const controller = new AbortController();
    const seen: number[] = [];
    const onProgress = async ({ checked }: { checked: number }): Promise<void> => {
      seen.push(checked);
      if (seen.length === 2) controller.abort(new Error('enough'));
    };
    await assert.rejects(collectGarbage(parts, { actor, signal: controller.signal, onProgress }), /enough/);
    assert.deepEqual(seen, [200, 400]);
    const rest = await collectGarbage(parts, { actor, signal: new AbortController().signal });
    assert.equal(rest.removed, 50);
  });
});

async function setUp(t: TestContext) {
  const catalog = await testCatalog(t);
  const dir = await tempDir(t);
  const clock = new FakeClock();
  const blobs = new MemoryStore();
  const parts = { catalog, blobs, clock };
  const keeper = createBlobKeeper(parts);
  const keep = async (text: string): Promise<Digest> => {
    const blob = await spooled(dir, text);
    await keeper.keep(blob);
    return blob.digest;
  };
  const refer = async (filename: string, digest: Digest): Promise<void> => {
    const names = { project: 'a', filename, repository: 'r', version: '1' };
    await catalog.write(() =>
      run(sql.insertInto('file').values({ ...names, digest, size: 1, detail: '{}', stored_at: 1, deleted_at: null })),
    );
  };
  /** Rows of so many blobs, without bytes. */
  const adopt = async (count: number): Promise<void> => {
    const blobs = Array.from({ length: count }, (_, index) => ({ digest: digestOf(String(index)), size: 2 }));
    await catalog.write(() => adoptBlobs(blobs, clock.nowMs()));
  };
  const collect = () => collectGarbage(parts, { actor, signal: new AbortController().signal });
  return { parts, catalog, dir, clock, blobs, keep, refer, adopt, collect };
}
