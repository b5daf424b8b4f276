import assert from 'node:assert/strict';
import { after, describe, type TestContext, test } from 'node:test';
import { expireBundles } from '../../../server/bundles/expire-all.ts';
import { expireVersions, findExpired, setRetention } from '../../../server/catalog/bundle-retention.ts';
import { holdersOf, holdersOfDigest } from '../../../server/catalog/bundle-search.ts';
import {
  findLatest,
  findLatestOf,
  listVersions,
  publishVersion,
  removeVersions,
} from '../../../server/catalog/bundles.ts';
import type { Catalog } from '../../../server/catalog/catalog.ts';
import { findChannel, listMoves, promote, rollback } from '../../../server/catalog/channels.ts';
import { listEvents } from '../../../server/catalog/events.ts';
import { openPostgres } from '../../../server/catalog/postgres.ts';
import type { Actor } from '../../../server/model/access.ts';
import {
  type BundleVersion,
  isBundlePrerelease,
  parseAppName,
  parseBundleFilename,
  parseBundleVersionText,
  parseChannelName,
} from '../../../server/model/bundle.ts';
import { parseProjectName } from '../../../server/model/project-name.ts';
import { Problem, type ProblemSlug } from '../../../server/problem.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { digestOf } from '../../support/spooled.ts';
import { MIGRATIONS_DIR, testCatalog } from '../../support/test-catalog.ts';
import { startTestPostgres } from '../../support/test-postgres.ts';

const app = parseAppName('myapp');
const production = parseChannelName('production');
const staging = parseChannelName('staging');
const actor: Actor = { name: 'ci' };
const text = parseBundleVersionText;

function version(name: string, bytes = name): BundleVersion {
  return {
    app,
    version: text(name),
    filename: parseBundleFilename(`myapp-${name}.tar.gz`),
    digest: digestOf(bytes),
    size: 1,
    contentType: 'application/gzip',
    createdAt: 1,
    createdBy: 'ci',
    prerelease: isBundlePrerelease(name),
    contents: { distributions: [] },
  };
}

async function withVersions(catalog: Catalog, ...names: readonly string[]): Promise<void> {
  for (const name of names) await catalog.write(() => publishVersion(version(name), { actor }));
}

function move(catalog: Catalog, name: string, more: Partial<Parameters<typeof promote>[0]> = {}) {
  const order = { app, channel: production, version: text(name), why: null, actor, at: 2, force: false, ...more };
  return catalog.write(() => promote(order));
}

function back(catalog: Catalog, more: Partial<Parameters<typeof rollback>[0]> = {}) {
  return catalog.write(() => rollback({ app, channel: production, why: null, actor, at: 3, ...more }));
}

async function pointsTo(catalog: Catalog): Promise<string | undefined> {
  return (await catalog.read(() => findChannel(app, production)))?.version;
}

async function refused(work: Promise<unknown>, slug: ProblemSlug): Promise<void> {
  await assert.rejects(work, (error: unknown) => error instanceof Problem && error.slug === slug);
}

const postgres = await startTestPostgres();
after(() => postgres.stop());

channelsOn('SQLite', testCatalog, false);
channelsOn(
  'PostgreSQL',
  async (t) => {
    const catalog = await openPostgres({ url: await postgres.database(), migrationsDir: MIGRATIONS_DIR });
    t.after(() => catalog.close());
    return catalog;
  },
  postgres.skip,
);

function channelsOn(engine: string, open: (t: TestContext) => Promise<Catalog>, skip: string | false): void {
  describe(`versions and channels on ${engine}`, { skip }, () => {
    test('a rollback takes back the latest promotion that still stands, and repeating it walks further back', async (t) => {
      const catalog = await open(t);
      await withVersions(catalog, '1', '2', '3', '4');
      for (const name of ['1', '2', '3']) await move(catalog, name);
      assert.equal((await back(catalog)).to, '2');
      assert.equal((await back(catalog)).to, '1');
      await refused(back(catalog), 'nothing-before');
      await move(catalog, '4');
      assert.equal((await back(catalog)).to, '1');
      await refused(back(catalog), 'nothing-before');
      assert.equal(await pointsTo(catalog), '1');
      const moves = await catalog.read(() => listMoves(app, production, { limit: 100 }));
      assert.deepEqual(
        moves.map(({ from, to, kind, undone }) => [from, to, kind, undone]),
        [
          [null, '1', 'promote', false],
          ['1', '2', 'promote', true],
          ['2', '3', 'promote', true],
          ['3', '2', 'rollback', false],
          ['2', '1', 'rollback', false],
          ['1', '4', 'promote', true],
          ['4', '1', 'rollback', false],
        ],
      );
      const events = await catalog.read(() => listEvents({ subject: 'bundle/myapp', limit: 100 }));
      assert.equal(events.filter(({ kind }) => kind === 'channel-rolled-back').length, 3);
    });

    test('a channel moves only from where it was expected to be; to where it is already, it does not move', async (t) => {
      const catalog = await open(t);
      await withVersions(catalog, '1', '2', '3');
      await refused(move(catalog, '1', { expected: '2' }), 'channel-moved');
      assert.ok(await move(catalog, '1', { expected: null }));
      await refused(move(catalog, '2', { expected: null }), 'channel-moved');
      assert.equal(await move(catalog, '1'), undefined);
      const racing = ['2', '3', '2', '3', '2'].map((name) => move(catalog, name, { expected: '1' }));
      const outcomes = await Promise.allSettled(racing);
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
      await refused(back(catalog, { expected: '1' }), 'channel-moved');
      await refused(move(catalog, '9'), 'bundle-version-not-found');
      await refused(back(catalog, { channel: staging }), 'channel-not-found');
    });

    test('a channel that comes after another takes only what was there, unless forced, and the history says so', async (t) => {
      const catalog = await open(t);
      await withVersions(catalog, '1', '2');
      await refused(move(catalog, '1', { after: staging }), 'channel-order');
      await move(catalog, '1', { channel: staging });
      await move(catalog, '2', { channel: staging });
      assert.equal((await move(catalog, '1', { after: staging, force: true }))?.kind, 'promote');
      await withVersions(catalog, '3');
      assert.equal((await move(catalog, '3', { after: staging, force: true }))?.kind, 'forced');
      assert.equal((await back(catalog)).to, '1');
    });

    test('the newest version is by PEP 440: final ones first, then pre-releases, then what follows no rule', async (t) => {
      const catalog = await open(t);
      const newest = async () => {
        const alone = (await catalog.read(() => findLatest(app)))?.version;
        const among = await catalog.read(() => findLatestOf([parseAppName('another'), app]));
        assert.deepEqual([...among], alone === undefined ? [] : [[app, alone]]);
        return alone;
      };
      assert.equal(await newest(), undefined);
      await withVersions(catalog, 'nightly-7');
      assert.equal(await newest(), 'nightly-7');
      await withVersions(catalog, '0.1rc1');
      assert.equal(await newest(), '0.1rc1');
      await withVersions(catalog, '2.0rc1', '1.10', '1.9', '1!0.1.dev1');
      assert.equal(await newest(), '1.10');
      const listed = async (after?: string) =>
        (
          await catalog.read(() => listVersions(app, { limit: 3, after: after === undefined ? after : text(after) }))
        ).map((one) => one.version);
      assert.deepEqual(await listed(), ['1!0.1.dev1', '2.0rc1', '1.10']);
      assert.deepEqual(await listed('1.10'), ['1.9', '0.1rc1', 'nightly-7']);
    });

    test('a version never changes, not even after it was deleted', async (t) => {
      const catalog = await open(t);
      await withVersions(catalog, '1', '2');
      const again = (bytes?: string) => catalog.write(() => publishVersion(version('1', bytes), { actor }));
      assert.equal(await again(), 'present');
      await refused(again('other'), 'bundle-exists');
      await catalog.write(() => removeVersions(app, ['1'], { kind: 'bundle-deleted', actor, at: 5 }));
      await refused(again('other'), 'bundle-exists');
      await move(catalog, '2');
      assert.equal(await again(), 'created');
    });

    test('versions are found by what is inside of them and by what their lock names', async (t) => {
      const catalog = await open(t);
      const inside = [
        { name: 'flask', version: '3.0', path: 'a' },
        { name: 'flask', version: '3.0', path: 'b' },
        { name: 'flask', version: '2.0', path: 'c' },
      ];
      const lock = { name: 'requirements.txt', digest: digestOf('lock'), body: 'lock', hashes: [digestOf('wheel')] };
      await catalog.write(() =>
        publishVersion({ ...version('1'), contents: { distributions: inside } }, { actor, lock }),
      );
      await withVersions(catalog, '2');
      await move(catalog, '1');
      const flask = parseProjectName('Flask');
      const holders = await catalog.read(() => holdersOf({ name: flask, version: '3.0.0' }, 10));
      assert.deepEqual(
        holders.map(({ version: one, channels, holds }) => [one, channels, holds]),
        [['1', ['production'], ['3.0']]],
      );
      const [any] = await catalog.read(() => holdersOf({ name: flask }, 10));
      assert.deepEqual([...(any?.holds ?? [])].sort(), ['2.0', '3.0']);
      const by = async (text: string) =>
        (await catalog.read(() => holdersOfDigest(digestOf(text), 10))).map((one) => one.by);
      assert.deepEqual([await by('1'), await by('wheel'), await by('nothing')], [['archive'], ['lock'], []]);
      await refused(
        catalog.write(() => publishVersion(version('1'), { actor, lock: { ...lock, digest: digestOf('other') } })),
        'bundle-exists',
      );
    });

    test('the job lets go what the configuration says, of every application, unless it has a setting of its own', async (t) => {
      const catalog = await open(t);
      for (const name of ['aaa', 'myapp', 'zzz']) {
        for (const [at, text] of ['1', '2', '3'].entries()) {
          await catalog.write(() =>
            publishVersion({ ...version(text), app: parseAppName(name), createdAt: at }, { actor }),
          );
        }
      }
      await catalog.write(() => setRetention(app, { keep: null, keepPerChannel: null }, { actor, at: 5 }));
      const rules = { retention: { '*': { keep: 2, keepPerChannel: 2 }, zzz: { keep: 1, keepPerChannel: null } } };
      const run = (signal: AbortSignal) =>
        expireBundles({ catalog, clock: new FakeClock(), rules }, { actor: { name: 'schedule' }, signal });
      await assert.rejects(run(AbortSignal.abort(new Error('stopping'))), /stopping/);
      assert.deepEqual(await run(new AbortController().signal), { apps: 3, removed: 3, removedBytes: 3 });
      assert.deepEqual(await run(new AbortController().signal), { apps: 3, removed: 0, removedBytes: 0 });
      const left = await catalog.read(() => listVersions(app, { limit: 10 }));
      assert.equal(left.length, 3);
      const [event] = await catalog.read(() => listEvents({ kind: 'bundle-expired', limit: 1 }));
      assert.deepEqual([event?.by, event?.subject], ['schedule', 'bundle/zzz']);
    });

    test('what channels point to, pointed to last or would go back to is never let go', async (t) => {
      const catalog = await open(t);
      const names = ['1', '2', '3', '4', '5', '6', '7'];
      for (const [at, name] of names.entries()) {
        await catalog.write(() => publishVersion({ ...version(name), createdAt: at }, { actor }));
      }
      for (const name of ['1', '2', '3', '4']) await move(catalog, name);
      await back(catalog);
      await move(catalog, '5', { channel: staging });
      const expired = async (keepPerChannel: number | null) =>
        (await catalog.read(() => findExpired(app, { keep: 1, keepPerChannel }))).map((one) => one.version);
      // Production points to 3, pointed to 4 last and would go back to 2; staging points to 5.
      assert.deepEqual(await expired(null), ['6', '1']);
      assert.deepEqual(await expired(4), ['6']);
      const gone = await catalog.write(() => expireVersions(app, { keep: 1, keepPerChannel: null }, { actor, at: 9 }));
      assert.equal(gone.length, 2);
      assert.deepEqual(await expired(null), []);
      assert.equal((await back(catalog)).to, '2');
      await refused(back(catalog), 'nothing-before');
    });

    test('the newest release is never let go, whatever was uploaded after it', async (t) => {
      const catalog = await open(t);
      for (const [at, name] of ['2.0', '3.0', '2.0.1', '3.1.dev1', '3.1.dev2'].entries()) {
        await catalog.write(() => publishVersion({ ...version(name), createdAt: at }, { actor }));
      }
      const gone = await catalog.write(() => expireVersions(app, { keep: 2, keepPerChannel: null }, { actor, at: 9 }));
      assert.deepEqual(
        gone.map((one) => one.version),
        ['2.0.1', '2.0'],
      );
      assert.equal((await catalog.read(() => findLatest(app)))?.version, '3.0');
    });
  });
}
