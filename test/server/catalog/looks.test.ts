import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Catalog, run } from '../../../server/catalog/catalog.ts';
import { look, MOST_WANTED } from '../../../server/catalog/look.ts';
import { Looks } from '../../../server/catalog/looks.ts';
import { bumpRevision, findProjectState } from '../../../server/catalog/project-state.ts';
import { sql } from '../../../server/catalog/schema.ts';
import { Seen } from '../../../server/catalog/seen.ts';
import { findStoredFile, findStoredMetadata, recordPulledFile } from '../../../server/catalog/stored-files.ts';
import { rememberPage } from '../../../server/catalog/upstream-pages.ts';
import type { ProjectName } from '../../../server/model/project-name.ts';
import { digestOf } from '../../support/spooled.ts';
import { testCatalog } from '../../support/test-catalog.ts';

const DEMO = 'demo' as ProjectName;
const FILENAME = 'demo-1.0-py3-none-any.whl';
const nameOf = (index: number) => `p${index}` as ProjectName;

/** A catalog in which two repositories know `demo`, and one of them holds a file of it. */
async function stocked(t: Parameters<typeof testCatalog>[0]): Promise<Catalog> {
  const catalog = await testCatalog(t);
  const page = { name: DEMO, present: true, status: 'active', body: '{}' } as const;
  const rest = {
    statusReason: undefined,
    etag: '"1"',
    serial: undefined,
    suspectSince: 3,
    checkedAt: 1,
    freshUntil: 2,
  };
  for (const repository of ['pypi', 'other']) {
    await catalog.write(() => rememberPage({ ...page, ...rest, repository }));
  }
  const detail = { filename: FILENAME, hashes: {}, uploadTime: '2024-01-01T00:00:00Z' };
  const metadata = { digest: digestOf('m'), size: 4, source: 'file' } as const;
  const file = { repository: 'pypi', project: DEMO, detail, version: '1.0', size: 1, digest: digestOf('x'), metadata };
  await catalog.write(() => recordPulledFile({ ...file, changesPage: false }, 1_000));
  return catalog;
}

/** The same catalog: its reads are counted, and wait for `open`. */
function counted(catalog: Catalog) {
  let gate: Promise<void> = Promise.resolve();
  const self = {
    reads: 0,
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
    pass: () => {
      gate = Promise.resolve();
    },
    read: async <T>(script: Parameters<typeof catalog.read<T>>[0]): Promise<T> => {
      self.reads += 1;
      await gate;
      return catalog.read(script);
    },
    write: <T>(script: Parameters<typeof catalog.write<T>>[0]) => catalog.write(script),
    close: () => catalog.close(),
  };
  return self;
}

describe('one look', () => {
  it('finds what the single reads find, in every repository, for each that is wanted', async (t) => {
    const catalog = await stocked(t);
    const wanted = [{ name: nameOf(1) }, { name: DEMO, filename: FILENAME }, { name: DEMO }];
    const { generation, found } = await catalog.read(() => look(wanted));
    assert.equal(generation, 1);
    const [absent, file, page] = found;
    assert.deepEqual(absent, { states: new Map(), files: new Map(), metadata: new Map() });
    for (const repository of ['pypi', 'other', 'nowhere']) {
      const state = await catalog.read(() => findProjectState(repository, DEMO));
      assert.deepEqual(file?.states.get(repository), state);
      assert.deepEqual(page?.states.get(repository), state);
      const stored = await catalog.read(() => findStoredFile(repository, DEMO, FILENAME));
      assert.deepEqual(file?.files.get(repository), stored);
      const metadata = await catalog.read(() => findStoredMetadata(repository, DEMO, FILENAME));
      assert.deepEqual(file?.metadata.get(repository), metadata);
    }
    assert.equal(file?.files.size, 1);
    assert.equal(file?.metadata.size, 1);
    assert.equal(page?.files.size, 0);
  });

  it('finds none of a file that was deleted', async (t) => {
    const catalog = await stocked(t);

    await catalog.write(() => run(sql.updateTable('file').set({ deleted_at: 5 }).where('filename', '=', FILENAME)));
    const { found } = await catalog.read(() => look([{ name: DEMO, filename: FILENAME }]));
    assert.equal(found[0]?.files.size, 0);
    assert.equal(found[0]?.states.size, 2);
  });
});

describe('looks', () => {
  it('that are given up tell all who wait, and what comes after all is still told', async (t) => {
    const catalog = counted(await stocked(t));
    const told = Promise.withResolvers<number>();
    const looks = new Looks(catalog, (_, { generation }) => told.resolve(generation));
    const open = catalog.hold();
    const asking = [looks.generation()];
    await new Promise(setImmediate);
    asking.push(looks.generation());
    await new Promise(setImmediate);
    asking.push(looks.generation());
    looks.giveUp(new Error('silent'));
    for (const asked of asking) await assert.rejects(asked, /silent/);
    open();
    assert.equal(await told.promise, 1);
  });

  it('that begin together are one statement, that of the tokens included', async (t) => {
    const catalog = counted(await stocked(t));
    const looks = new Looks(catalog);
    const [file, page, generation, again] = await Promise.all([
      looks.look({ name: DEMO, filename: FILENAME }),
      looks.look({ name: DEMO }),
      looks.generation(),
      looks.look({ name: DEMO, filename: FILENAME }),
    ]);
    assert.deepEqual([file.found.files.size, page.found.files.size, generation, file.generation], [1, 0, 1, 1]);
    assert.deepEqual(again, file);
    assert.equal(catalog.reads, 1);
  });

  it('that come while two are under way share the next, which begins after they came', async (t) => {
    const real = await stocked(t);
    const catalog = counted(real);
    const looks = new Looks(catalog);
    const open = catalog.hold();
    const early = [looks.look({ name: DEMO })];
    await new Promise(setImmediate);
    early.push(looks.look({ name: DEMO }));
    await new Promise(setImmediate);
    assert.equal(catalog.reads, 2);
    await real.write(() => bumpRevision('pypi', DEMO, 2_000));
    const late = Array.from({ length: 30 }, () => looks.look({ name: DEMO }));
    await new Promise(setImmediate);
    assert.equal(catalog.reads, 2);
    open();
    await Promise.all(early);
    const revisions = new Set((await Promise.all(late)).map(({ found }) => found.states.get('pypi')?.revision));
    assert.deepEqual(revisions, new Set([2]));
    assert.equal(catalog.reads, 3);
  });

  it('do not wait for ever for others whose connection is dead', async (t) => {
    const catalog = counted(await stocked(t));
    const looks = new Looks(catalog);
    const open = catalog.hold();
    const dead = [looks.generation()];
    await new Promise(setImmediate);
    dead.push(looks.generation());
    await new Promise(setImmediate);
    catalog.pass();
    const behind = looks.generation();
    looks.passBy();
    await new Promise(setImmediate);
    assert.equal(catalog.reads, 2);
    looks.passBy();
    assert.equal(await behind, 1);
    open();
    assert.deepEqual(await Promise.all(dead), [1, 1]);
  });

  it('carry no more than a statement takes', async (t) => {
    const catalog = counted(await stocked(t));
    const looks = new Looks(catalog);
    const all = [DEMO, ...Array.from({ length: 2 * MOST_WANTED }, (_, index) => nameOf(index)), DEMO];
    const glances = await Promise.all(all.map((name) => looks.look({ name })));
    assert.deepEqual(
      glances.map(({ found }) => found.states.size),
      all.map((name) => (name === DEMO ? 2 : 0)),
    );
    assert.equal(catalog.reads, 3);
  });

  it('that fail say so to all who wait, and the next is tried anew', async (t) => {
    const real = await stocked(t);
    let isBroken = true;
    const catalog: Catalog = {
      read: (script) => (isBroken ? Promise.reject(new Error('no')) : real.read(script)),
      write: (script) => real.write(script),
      close: () => real.close(),
    };
    const looks = new Looks(catalog);
    const asking = [looks.look({ name: DEMO }), looks.generation()];
    for (const asked of asking) await assert.rejects(asked, /no/);
    isBroken = false;
    assert.equal(await looks.generation(), 1);
  });
});

it('what was seen tells of nothing else', async (t) => {
  const { found } = await (await stocked(t)).read(() => look([{ name: DEMO }]));
  const [only] = found;
  assert.ok(only);
  const seen = new Seen({ name: DEMO }, { generation: 1, found: only }, { isRemembered: false });
  assert.notEqual(await seen.projectState('pypi', DEMO), undefined);
  await assert.rejects(seen.projectState('pypi', nameOf(1)), RangeError);
  await assert.rejects(seen.storedFile('pypi', DEMO, FILENAME), RangeError);
  await assert.rejects(seen.storedMetadata('pypi', DEMO, FILENAME), RangeError);
});
