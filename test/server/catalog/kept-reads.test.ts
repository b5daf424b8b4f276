import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Catalog } from '../../../server/catalog/catalog.ts';
import { nearReads } from '../../../server/catalog/near-reads.ts';
import { bumpRevision } from '../../../server/catalog/project-state.ts';
import { refusingWhenReadOnly } from '../../../server/catalog/read-only.ts';
import { recordPulledFile } from '../../../server/catalog/stored-files.ts';
import { rememberPage } from '../../../server/catalog/upstream-pages.ts';
import type { ProjectName } from '../../../server/model/project-name.ts';
import { digestOf } from '../../support/spooled.ts';
import { testCatalog } from '../../support/test-catalog.ts';

const NAME = 'demo' as ProjectName;
const FILENAME = 'demo-1.0.tar.gz';

/** The same catalog, whose reads are counted. */
function counted(catalog: Catalog): Catalog & { reads: number } {
  return {
    reads: 0,
    async read(script) {
      this.reads += 1;
      return catalog.read(script);
    },
    write: (script) => catalog.write(script),
    get version() {
      return catalog.version;
    },
    close: () => catalog.close(),
  };
}

async function stocked(t: Parameters<typeof testCatalog>[0]): Promise<Catalog> {
  const catalog = refusingWhenReadOnly(await testCatalog(t, { always: 'in memory' }));
  const page = { repository: 'pypi', name: NAME, present: true, status: 'active', checkedAt: 1_000, freshUntil: 1_000 };
  const rest = { statusReason: undefined, etag: undefined, serial: undefined, suspectSince: undefined, body: '{}' };
  await catalog.write(() => rememberPage({ ...page, ...rest, status: 'active' }));
  const detail = { filename: FILENAME, hashes: {} };
  const file = { repository: 'pypi', project: NAME, detail, version: '1.0', size: 1, digest: digestOf('x') };
  await catalog.write(() => recordPulledFile({ ...file, changesPage: false }, 1_000));
  return catalog;
}

test('what pages and files begin with is read once until something is written', async (t) => {
  const catalog = counted(await stocked(t));
  const hot = nearReads(catalog);
  const ask = async () => ({
    state: await hot.projectState('pypi', NAME),
    elsewhere: await hot.projectState('local', NAME),
    file: await hot.storedFile('pypi', NAME, FILENAME),
    metadata: await hot.storedMetadata('pypi', NAME, FILENAME),
  });
  const before = await ask();
  assert.equal(before.file?.size, 1);
  assert.equal(before.elsewhere, undefined);
  assert.deepEqual(await ask(), before);
  assert.equal(catalog.reads, 4);

  await catalog.write(() => bumpRevision('pypi', NAME, 2_000));
  const after = await ask();
  assert.equal(after.state?.revision, (before.state?.revision ?? 0) + 1);
  assert.equal(catalog.reads, 8);
});

test('a read that fails is made again', async (t) => {
  const working = counted(await stocked(t));
  let isBroken = true;
  const catalog: Catalog = {
    read: (script) => (isBroken ? Promise.reject(new Error('no')) : working.read(script)),
    write: (script) => working.write(script),
    version: 1,
    close: () => working.close(),
  };
  const hot = nearReads(catalog);
  await assert.rejects(hot.projectState('pypi', NAME), /no/);
  isBroken = false;
  assert.notEqual(await hot.projectState('pypi', NAME), undefined);
});

test('a catalog that others write to is asked each time', async (t) => {
  const catalog = counted(await stocked(t));
  const shared: Catalog = {
    read: (script) => catalog.read(script),
    write: (script) => catalog.write(script),
    close: () => catalog.close(),
  };
  const hot = nearReads(shared);
  for (let i = 0; i < 3; i += 1) await hot.projectState('pypi', NAME);
  assert.equal(catalog.reads, 3);
});
