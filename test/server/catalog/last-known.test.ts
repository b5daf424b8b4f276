import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import type { Catalog } from '../../../server/catalog/catalog.ts';
import { CatalogQueryError, CatalogUnavailableError } from '../../../server/catalog/errors.ts';
import { LastKnown } from '../../../server/catalog/last-known.ts';
import { bumpRevision } from '../../../server/catalog/project-state.ts';
import { deleteToken, insertToken } from '../../../server/catalog/tokens.ts';
import { rememberPage } from '../../../server/catalog/upstream-pages.ts';
import type { ProjectName } from '../../../server/model/project-name.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { testCatalog } from '../../support/test-catalog.ts';

const DEMO = 'demo' as ProjectName;
const SECOND = 1_000;

/** A catalog with one project, at the end of a line that a test breaks. */
async function setUp(t: { after(fn: () => Promise<void>): void }) {
  const real = await testCatalog(t);
  const clock = new FakeClock();
  const answer = { present: true, status: 'active', statusReason: undefined, etag: undefined, body: '{}' } as const;
  const times = { checkedAt: 1, freshUntil: 2, suspectSince: undefined, serial: undefined };
  await real.write(() => rememberPage({ repository: 'pypi', name: DEMO, ...answer, ...times }));
  let line: 'good' | 'broken once' | 'broken' | 'silent' | 'odd' | 'slow' = 'good';
  let asked = 0;
  const arrival = Promise.withResolvers<void>();
  const catalog: Catalog = {
    read: async (script) => {
      asked += 1;
      const isBroken = line.startsWith('broken');
      if (line === 'broken once') line = 'good';
      if (isBroken) throw new CatalogUnavailableError('gone');
      if (line === 'odd') throw new CatalogQueryError('no such table', 'SELECT');
      if (line === 'silent') return await new Promise(() => {});
      const isSlow = line === 'slow';
      const found = await real.read(script);
      if (isSlow) await arrival.promise;
      return found;
    },
    write: (script) => real.write(script),
    close: async () => {},
  };
  const memory = new LastKnown({ catalog, clock, log: pino({ level: 'silent' }) });
  memory.start();
  t.after(() => memory.stop());
  const is = (state: typeof line): void => {
    line = state;
  };
  return {
    real,
    clock,
    memory,
    is,
    /** What was answered over a slow line arrives. */
    arrive: () => arrival.resolve(),
    get asked() {
      return asked;
    },
  };
}

test('what was answered last counts while the catalog refuses, marked; what is not remembered is an error', async (t) => {
  const { real, memory, is } = await setUp(t);
  const known = await memory.projectState('pypi', DEMO);
  assert.equal(known?.isRemembered, undefined);
  assert.equal(await memory.projectState('local', DEMO), undefined);
  is('broken');
  assert.deepEqual(await memory.projectState('pypi', DEMO), { ...known, isRemembered: true });
  assert.equal(await memory.projectState('local', DEMO), undefined);
  assert.throws(() => memory.certain(), CatalogUnavailableError);
  await assert.rejects(memory.storedFile('pypi', DEMO, 'demo-1.0.tar.gz'), CatalogUnavailableError);
  await real.write(() => bumpRevision('pypi', DEMO, 5));
  assert.equal((await memory.projectState('pypi', DEMO))?.revision, known?.revision);
  assert.equal(memory.isAway, true);
});

test('the end of an outage is noticed within a second, and nothing remembered is used any more', async (t) => {
  const { real, memory, is, clock } = await setUp(t);
  const known = await memory.projectState('pypi', DEMO);
  is('broken');
  await memory.projectState('pypi', DEMO);
  await real.write(() => bumpRevision('pypi', DEMO, 5));
  is('good');
  while (memory.isAway) await clock.advance(SECOND);
  memory.certain();
  const now = await memory.projectState('pypi', DEMO);
  assert.deepEqual([now?.revision, now?.isRemembered], [(known?.revision ?? 0) + 1, undefined]);
});

test('those who wait for a catalog that has fallen silent are told after three seconds, those who come later at once', async (t) => {
  const { memory, is, clock } = await setUp(t);
  await memory.projectState('pypi', DEMO);
  is('silent');
  const waiting = memory.projectState('pypi', DEMO);
  const unknown = assert.rejects(memory.projectState('pypi', 'other' as ProjectName), CatalogUnavailableError);
  await clock.advance(SECOND);
  assert.equal(memory.isAway, false);
  await clock.advance(3 * SECOND);
  assert.equal((await waiting)?.isRemembered, true);
  await unknown;
  assert.equal((await memory.projectState('pypi', DEMO))?.isRemembered, true);
});

test('one read that fails while the catalog is there is an error, and no outage', async (t) => {
  const { memory, is } = await setUp(t);
  await memory.projectState('pypi', DEMO);
  is('broken once');
  await assert.rejects(memory.projectState('pypi', DEMO), CatalogUnavailableError);
  assert.equal(memory.isAway, false);
  is('odd');
  await assert.rejects(memory.projectState('pypi', DEMO), CatalogQueryError);
  is('good');
  assert.equal((await memory.projectState('pypi', DEMO))?.isRemembered, undefined);
});

test('a revocation is known although nobody has asked since', async (t) => {
  const { real, memory, is, clock } = await setUp(t);
  const before = await memory.tokenGeneration();
  const token = { id: 't1', name: 't', kind: 'token', can: [], createdAt: 1, createdBy: 'root' } as const;
  await real.write(function* () {
    yield* insertToken(token, 'hash');
    yield* deleteToken('t1');
  });
  await clock.advance(SECOND);
  await new Promise(setImmediate);
  is('broken');
  assert.equal(await memory.tokenGeneration(), before + 1);
});

test('an answer that was long on its way takes no revocation back', async (t) => {
  const { real, memory, is, arrive } = await setUp(t);
  const token = { id: 'a', name: 'a', kind: 'token', can: ['read'], createdAt: 1, createdBy: 'a' } as const;
  await real.write(() => insertToken(token, 'hash'));
  is('slow');
  const late = memory.projectState('pypi', DEMO);
  await new Promise(setImmediate);
  is('good');
  await real.write(() => deleteToken('a'));
  const after = await memory.tokenGeneration();
  arrive();
  await late;
  is('broken');
  assert.equal(await memory.tokenGeneration(), after);
});

test('while it is away the catalog is asked once a second, not by requests', async (t) => {
  const test = await setUp(t);
  await test.memory.projectState('pypi', DEMO);
  test.is('broken');
  await test.memory.projectState('pypi', DEMO);
  const before = test.asked;
  for (let times = 0; times < 50; times += 1) await test.memory.projectState('pypi', DEMO);
  assert.equal(test.asked, before);
  await test.clock.advance(2 * SECOND);
  assert.equal(test.asked, before + 2);
});
