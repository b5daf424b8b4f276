import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { DOOM_EXPIRES_MS, doomBlobs, forgetBlobs } from '../../server/catalog/blobs.ts';
import { first, run } from '../../server/catalog/catalog.ts';
import { CatalogFullError } from '../../server/catalog/errors.ts';
import { sql } from '../../server/catalog/schema.ts';
import { createBlobKeeper } from '../../server/keep-blobs.ts';
import type { Spooled } from '../../storage/blob-store.ts';
import { StorageFullError, StorageUnavailableError } from '../../storage/errors.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { failOnce, faulty } from '../support/faulty.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { spooled as spool } from '../support/spooled.ts';
import { tempDir } from '../support/temp-dir.ts';
import { testCatalog } from '../support/test-catalog.ts';

const DAY = 24 * 60 * 60_000;

describe('the blob keeper', () => {
  it('stores bytes with a row that keeps them from collection', async (t) => {
    const { keeper, blobs, clock, blob, row } = await setUp(t);
    await keeper.keep(await blob('hello'));
    const digest = (await blob('hello')).digest;
    assert.deepEqual(await blobs.stat(digest), { digest, size: 5 });
    assert.deepEqual(await row(digest), { digest, size: 5, stored_at: clock.nowMs(), doomed_at: null });
    await clock.advance(DAY);
    await keeper.keep(await blob('hello'));
    assert.equal((await row(digest))?.stored_at, clock.nowMs());
  });

  it('stores several at once, waits until none of them is under way, and tells of the first that failed', async (t) => {
    const { keeper, catalog, blobs, clock, blob, row } = await setUp(t);
    const pair = [await blob('one'), await blob('two')];
    await keeper.keep(...pair);
    for (const { digest } of pair) {
      assert.deepEqual(await blobs.stat(digest), { digest, size: 3 });
      assert.equal((await row(digest))?.size, 3);
    }
    const half = createBlobKeeper({
      catalog,
      blobs: faulty(blobs, { put: failOnce(new StorageFullError('full')) }),
      clock,
    });
    const next = [await blob('three'), await blob('four')];
    await assert.rejects(half.keep(...next), StorageFullError);
    const stored = await Promise.all(next.map(({ digest }) => blobs.stat(digest)));
    assert.equal(stored.filter((one) => one !== undefined).length, 1);
    await half.keep(await blob('three'), await blob('four'));
  });

  it('waits while the same bytes are being removed, and then stores them', async (t) => {
    const { keeper, catalog, blobs, clock, blob, row } = await setUp(t);
    const spooled = await blob('hello');
    await keeper.keep(spooled);
    await clock.advance(2 * DAY);
    const doomedAt = clock.nowMs();
    const ripeness = { storedBefore: doomedAt - DAY, doomedBefore: 0 };
    await catalog.write(() => doomBlobs([spooled.digest], ripeness, doomedAt));
    const keeping = keeper.keep(await blob('hello'));
    await clock.untilSleeping();
    await blobs.delete(spooled.digest);
    await clock.advance(1000);
    await clock.untilSleeping();
    await catalog.write(() => forgetBlobs([spooled.digest], doomedAt));
    await clock.advance(1000);
    await keeping;
    assert.equal((await blobs.stat(spooled.digest))?.size, 5);
    assert.equal((await row(spooled.digest))?.doomed_at, null);
  });

  it('takes a blob over from a collector that has died, but not before', async (t) => {
    const { keeper, catalog, clock, blob, row } = await setUp(t);
    const spooled = await blob('hello');
    await keeper.keep(spooled);
    await clock.advance(2 * DAY);
    const ripeness = { storedBefore: clock.nowMs() - DAY, doomedBefore: 0 };
    await catalog.write(() => doomBlobs([spooled.digest], ripeness, clock.nowMs()));
    const refused = assert.rejects(keeper.keep(await blob('hello')), StorageUnavailableError);
    for (let second = 0; second < 60; second += 1) {
      await clock.untilSleeping();
      await clock.advance(1000);
    }
    await refused;
    await clock.advance(DOOM_EXPIRES_MS - 60_000);
    await keeper.keep(await blob('hello'));
    assert.deepEqual(await row(spooled.digest), { ...spooledRow(spooled), stored_at: clock.nowMs(), doomed_at: null });
  });

  it('says that storage is full when either half of it is', async (t) => {
    const { catalog, blobs, clock, blob } = await setUp(t);
    const fullCatalog = faulty(catalog, { write: failOnce(new CatalogFullError('full')) });
    const one = createBlobKeeper({ catalog: fullCatalog, blobs, clock });
    await assert.rejects(one.keep(await blob('hello')), StorageFullError);
    const fullStore = faulty(blobs, { put: failOnce(new StorageFullError('full')) });
    const other = createBlobKeeper({ catalog, blobs: fullStore, clock });
    await assert.rejects(other.keep(await blob('hello')), StorageFullError);
    await other.keep(await blob('hello'));
  });

  it('does not doom what a row names', async (t) => {
    const { keeper, catalog, clock, blob } = await setUp(t);
    const spooled = await blob('hello');
    await keeper.keep(spooled);
    await catalog.write(() =>
      run(sql.insertInto('core_metadata').values({ ...KEY, digest: spooled.digest, size: 5, source: 'file' })),
    );
    await clock.advance(2 * DAY);
    const ripeness = { storedBefore: clock.nowMs(), doomedBefore: clock.nowMs() };
    assert.deepEqual(await catalog.write(() => doomBlobs([spooled.digest], ripeness, clock.nowMs())), []);
  });
});

const KEY = { project: 'a', filename: 'a-1.tar.gz', repository: 'r' };

function spooledRow({ digest, size }: Spooled) {
  return { digest, size };
}

async function setUp(t: TestContext) {
  const catalog = await testCatalog(t);
  const dir = await tempDir(t);
  const clock = new FakeClock();
  const blobs = new MemoryStore();
  const blob = (text: string): Promise<Spooled> => spool(dir, text);
  const row = async (digest: string) => {
    const found = await catalog.read(() => first(sql.selectFrom('blob').selectAll().where('digest', '=', digest)));
    return found && { ...found };
  };
  return { catalog, blobs, clock, keeper: createBlobKeeper({ catalog, blobs, clock }), blob, row };
}
