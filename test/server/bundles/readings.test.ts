import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { Readings } from '../../../server/bundles/readings.ts';
import { findVersion, publishVersion } from '../../../server/catalog/bundles.ts';
import {
  type ArchiveContents,
  BEING_READ,
  type BundleVersion,
  parseAppName,
  parseBundleFilename,
  parseBundleVersionText,
} from '../../../server/model/bundle.ts';
import { digestOf } from '../../support/spooled.ts';
import { testCatalog } from '../../support/test-catalog.ts';

const app = parseAppName('myapp');

function version(number: string): BundleVersion {
  return {
    ...{ app, version: parseBundleVersionText(number), filename: parseBundleFilename('f.tar.gz') },
    ...{ digest: digestOf(number), size: 1, contentType: 'application/gzip', createdAt: 1, createdBy: 'ci' },
    ...{ prerelease: false, contents: BEING_READ },
  };
}

/** Contents that a test makes known. */
function underWay() {
  const { promise: contents, resolve: tell } = Promise.withResolvers<ArchiveContents>();
  let isAbandoned = false;
  const abandon = () => {
    isAbandoned = true;
  };
  return { inside: { contents, isLate: () => true, abandon }, tell, isAbandoned: () => isAbandoned };
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  for (let turns = 0; turns < 10; turns += 1) await turn();
  return (await Promise.race([promise, Promise.resolve('pending')])) === 'pending';
}

test('who asks for a version waits until it was read here, who asks for another one does not', async (t) => {
  const catalog = await testCatalog(t);
  const readings = new Readings({ catalog, log: pino({ level: 'silent' }) });
  const [one, two] = [version('1'), version('2')];
  await catalog.write(() => publishVersion(one, { actor: { name: 'ci' } }));
  const { inside, tell } = underWay();
  readings.follow(one, inside);
  const settled = readings.settled([two, one]);
  assert.equal(await isPending(settled), true);
  assert.equal(await readings.settled([two]), false);
  tell({ distributions: [] });
  assert.equal(await settled, true);
  assert.deepEqual((await catalog.read(() => findVersion(app, one.version)))?.contents, { distributions: [] });
  assert.equal(await readings.allSettled(), false);
});

test('a server that stops lets nobody wait, and what was not read stays as it is', async (t) => {
  const catalog = await testCatalog(t);
  const readings = new Readings({ catalog, log: pino({ level: 'silent' }) });
  const one = version('1');
  await catalog.write(() => publishVersion(one, { actor: { name: 'ci' } }));
  const { inside, tell } = underWay();
  readings.follow(one, inside);
  const settled = readings.allSettled();
  readings.endWaiting();
  assert.equal(await settled, true);
  const closed = readings.close();
  assert.equal(await isPending(closed), true);
  tell(BEING_READ);
  await closed;
  assert.deepEqual((await catalog.read(() => findVersion(app, one.version)))?.contents, BEING_READ);
});

test('what is more than a node can hold open is left to the job', async (t) => {
  const readings = new Readings({ catalog: await testCatalog(t), log: pino({ level: 'silent' }) });
  const all = Array.from({ length: 17 }, (_, at) => ({ ...underWay(), version: version(String(at)) }));
  for (const one of all) readings.follow(one.version, one.inside);
  assert.deepEqual(
    all.map(({ isAbandoned }) => isAbandoned()),
    all.map((_, at) => at === 16),
  );
  for (const one of all) one.tell(BEING_READ);
  await readings.close();
});
