import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { all, type Catalog } from '../../../server/catalog/catalog.ts';
import { USE_GRAIN_MS } from '../../../server/catalog/file-uses.ts';
import { refusingWhenReadOnly, setReadOnly } from '../../../server/catalog/read-only.ts';
import { sql } from '../../../server/catalog/schema.ts';
import { findStoredFile, recordPulledFile } from '../../../server/catalog/stored-files.ts';
import type { ProjectName } from '../../../server/model/project-name.ts';
import { FileUses } from '../../../server/repository/file-uses.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { failUntilHealed, faulty } from '../../support/faulty.ts';
import { digestOf } from '../../support/spooled.ts';
import { testCatalog } from '../../support/test-catalog.ts';

const MINUTE = 60_000;
const DEMO = 'demo' as ProjectName;

async function setUp(t: TestContext, wrap: (catalog: Catalog) => Catalog = (catalog) => catalog) {
  const catalog = await testCatalog(t, { always: 'in memory' });
  const clock = new FakeClock();
  const failures: unknown[] = [];
  const writes = { count: 0 };
  const counted = faulty(wrap(catalog), {
    write: () => {
      writes.count += 1;
    },
  });
  const uses = new FileUses({ catalog: counted, clock, onFailure: (error) => failures.push(error) });
  const store = (filename: string) => {
    const facts = { repository: 'pypi', project: DEMO, version: '1', digest: digestOf(filename), size: 1 };
    const file = { ...facts, detail: { filename, hashes: {} }, changesPage: false };
    return catalog.write(() => recordPulledFile(file, clock.nowMs()));
  };
  const use = async (filename: string): Promise<void> => {
    const stored = await catalog.read(() => findStoredFile('pypi', DEMO, filename));
    uses.note('pypi', DEMO, stored ?? { filename, usedAt: 0 });
  };
  const usedAt = async (filename: string) =>
    (await catalog.read(() => findStoredFile('pypi', DEMO, filename)))?.usedAt ?? -1;
  return { catalog, clock, failures, writes, uses, store, use, usedAt };
}

describe('when files were used last', () => {
  it('counts from their storing, and is written once a day at most, by nobody who asks', async (t) => {
    const { clock, uses, store, use, usedAt, writes } = await setUp(t);
    await store('a');
    const storedAt = clock.nowMs();
    uses.start();
    await clock.untilSleeping();
    await use('a');
    await clock.advance(MINUTE);
    assert.deepEqual([await usedAt('a'), writes.count], [storedAt, 0], 'known of the last day');
    await clock.advance(USE_GRAIN_MS, { wakes: false });
    await use('a');
    const at = clock.nowMs();
    assert.equal(writes.count, 0);
    await clock.advance(MINUTE);
    assert.deepEqual([await usedAt('a'), writes.count], [at, 1]);
    await use('a');
    await clock.advance(MINUTE);
    assert.equal(writes.count, 1);
    await uses.stop();
  });

  it('is written when the server stops, and never of what has gone', async (t) => {
    const { clock, uses, store, use, usedAt, catalog } = await setUp(t);
    await store('a');
    await clock.advance(USE_GRAIN_MS, { wakes: false });
    uses.start();
    await use('a');
    await use('gone');
    await uses.stop();
    assert.equal(await usedAt('a'), clock.nowMs());
    assert.equal((await catalog.read(() => all(sql.selectFrom('file').selectAll()))).length, 1);
  });

  it('is kept while the catalog does not work, and said', async (t) => {
    const down = failUntilHealed(new Error('down'));
    const { clock, uses, store, use, usedAt, failures } = await setUp(t, (catalog) => faulty(catalog, { write: down }));
    await store('a');
    await clock.advance(USE_GRAIN_MS, { wakes: false });
    uses.start();
    await clock.untilSleeping();
    await use('a');
    const at = clock.nowMs();
    await clock.advance(MINUTE);
    assert.equal(failures.length, 1);
    down.heal();
    await clock.advance(MINUTE);
    assert.equal(await usedAt('a'), at);
    await uses.stop();
  });

  it('is kept while nothing may be written, and that is no failure', async (t) => {
    const { catalog, clock, uses, store, use, usedAt, failures } = await setUp(t, refusingWhenReadOnly);
    await store('a');
    const storedAt = clock.nowMs();
    await clock.advance(USE_GRAIN_MS, { wakes: false });
    const turn = (on: boolean) =>
      catalog.write(() => setReadOnly({ on, why: 'a test', actor: { name: 'root' }, now: clock.nowMs() }));
    await turn(true);
    uses.start();
    await clock.untilSleeping();
    await use('a');
    const at = clock.nowMs();
    await clock.advance(MINUTE);
    assert.equal(await usedAt('a'), storedAt);
    await turn(false);
    await clock.advance(MINUTE);
    assert.deepEqual([await usedAt('a'), failures.length], [at, 0]);
    await uses.stop();
  });

  it('is remembered of ten thousand at most, and written sooner when there are so many', async (t) => {
    const down = failUntilHealed(new Error('down'));
    const { clock, uses, use, failures, writes } = await setUp(t, (catalog) => faulty(catalog, { write: down }));
    uses.start();
    await clock.untilSleeping();
    for (let i = 0; i < 12_000; i += 1) await use(`f${i}`);
    await clock.untilSleeping();
    assert.deepEqual([failures.length, writes.count], [1, 1], 'at once, and not again before its time');
    down.heal();
    await clock.advance(MINUTE);
    assert.equal(writes.count, 1 + 10_000 / 200);
    await uses.flush();
    assert.equal(writes.count, 1 + 10_000 / 200, 'nothing is left');
    await uses.stop();
  });
});
