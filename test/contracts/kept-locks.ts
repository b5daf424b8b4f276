import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { touchBlob } from '../../server/catalog/blobs.ts';
import { all, type Catalog } from '../../server/catalog/catalog.ts';
import { listEvents } from '../../server/catalog/events.ts';
import { findHeldByDigest, findHeldByProject, findProjectRows } from '../../server/catalog/holdings.ts';
import { enqueueJob } from '../../server/catalog/jobs.ts';
import {
  findLockOfJob,
  findLockText,
  linkMirrorJob,
  pruneLockTexts,
  putLockText,
} from '../../server/catalog/lock-texts.ts';
import {
  dropLock,
  findKeptLock,
  keepLock,
  listKeptLocks,
  listLockVersions,
  noteReadiness,
  noteWatch,
} from '../../server/catalog/locks.ts';
import { sql } from '../../server/catalog/schema.ts';
import {
  buildKey,
  findBuildRequirements,
  findSource,
  findSourceByDigest,
  findSourcesFor,
  pruneBuildRequirements,
  recordSource,
  rememberBuildRequirements,
} from '../../server/catalog/sources.ts';
import { recordPulledFile } from '../../server/catalog/stored-files.ts';
import type { ProjectName } from '../../server/model/project-name.ts';
import type { Digest } from '../../storage/digest.ts';

const actor = { name: 'root' };
const demo = 'demo' as ProjectName;
const digestOf = (letter: string): Digest => letter.repeat(64) as Digest;
const readiness = { ready: true, missing: '[]', missingCount: 0, files: [] };

/** What the scripts of mirroring promise on every catalog. `make` opens one of its own, with every migration and no rows. */
export function keptLocksContract(
  name: string,
  make: () => Promise<Catalog>,
  options: { skip?: string | false } = {},
): void {
  describe(`${name}: sources, locks and what is held`, { skip: options.skip ?? false }, () => {
    const test = (promise: string, body: (catalog: Catalog) => Promise<void>): void => {
      it(promise, async () => {
        const catalog = await make();
        try {
          await body(catalog);
        } finally {
          await catalog.close();
        }
      });
    };

    test('a lock is kept, replaced, checked and dropped', async (catalog) => {
      const keep = (lock: string, now: number, more: object = {}) =>
        catalog.write(() => keepLock({ name: 'shop', lock, options: '{}', ...more }, readiness, { actor, now }));
      await keep('aa', 1, { watch: { url: 'https://git.example/lock', everyMs: 60_000 } });
      await catalog.write(() => noteWatch('shop', 'it was away', 5));
      await keep('bb', 10);
      const lock = await catalog.read(() => findKeptLock('shop'));
      assert.equal(lock?.lock, 'bb');
      assert.equal(lock?.readySince, 1);
      assert.deepEqual(lock?.watch, {
        url: 'https://git.example/lock',
        everyMs: 60_000,
        watchedAt: 5,
        error: 'it was away',
      });
      const versions = await catalog.read(() => listLockVersions('shop'));
      assert.deepEqual(
        versions.map((version) => version.lock),
        ['bb', 'aa'],
      );
      assert.ok(lock);
      const lost = { ready: false, missing: '[{}]', missingCount: 1, files: [] };
      assert.equal(await catalog.write(() => noteReadiness(lock, lost, { actor, now: 20 })), 'lost');
      assert.equal(await catalog.write(() => noteReadiness(lock, lost, { actor, now: 30 })), 'same');
      const [listed] = await catalog.read(() => listKeptLocks('', 10));
      assert.deepEqual([listed?.ready, listed?.readySince, listed?.checkedAt], [false, 20, 30]);
      await keep('cc', 40, { watch: null });
      assert.equal(await catalog.write(() => noteReadiness(lock, lost, { actor, now: 50 })), 'gone');
      assert.equal((await catalog.read(() => findKeptLock('shop')))?.watch, undefined);
      assert.equal(await catalog.write(() => dropLock('shop', actor, 60)), true);
      assert.equal(await catalog.write(() => dropLock('shop', actor, 60)), false);
      const events = await catalog.read(() => listEvents({ subject: 'lock/shop', limit: 10 }));
      assert.deepEqual(
        events.map(({ kind }) => kind),
        ['lock-dropped', 'lock-kept', 'lock-not-ready', 'lock-kept', 'lock-kept'],
      );
    });

    test('a kept lock pins many files, and forgets versions beyond fifty', async (catalog) => {
      const files = Array.from({ length: 450 }, (_, i) => ({ repository: 'pypi', project: 'demo', filename: `f${i}` }));
      for (let i = 0; i < 55; i += 1) {
        const lock = { name: 'shop', lock: `v${String(i).padStart(2, '0')}`, options: '{}' };
        await catalog.write(() => keepLock(lock, { ...readiness, files: i === 54 ? files : [] }, { actor, now: i }));
      }
      const versions = await catalog.read(() => listLockVersions('shop'));
      assert.deepEqual([versions.length, versions[0]?.lock, versions.at(-1)?.lock], [50, 'v54', 'v05']);
    });

    test('a check pins what it has found, and of a lock that is not ready nothing is let go', async (catalog) => {
      const file = (filename: string) => ({ repository: 'pypi', project: demo, filename });
      const store = async (filename: string): Promise<void> => {
        const facts = { repository: 'pypi', project: demo, version: '1', digest: digestOf('a'), size: 1 };
        const pulled = { ...facts, detail: { filename, hashes: {} }, changesPage: false };
        await catalog.write(() => recordPulledFile(pulled, 1));
      };
      const pinned = async () =>
        (await catalog.read(() => all(sql.selectFrom('kept_lock_file').select('filename'))))
          .map(({ filename }) => filename)
          .sort();
      const note = async (ready: boolean, ...filenames: string[]) => {
        const lock = await catalog.read(() => findKeptLock('shop'));
        assert.ok(lock);
        const found = { ...readiness, ready, files: filenames.map(file) };
        return await catalog.write(() => noteReadiness(lock, found, { actor, now: 2 }));
      };
      for (const filename of ['a', 'b', 'c']) await store(filename);
      const lock = { name: 'shop', lock: 'aa', options: '{}' };
      const first = { ...readiness, ready: false, files: [file('a'), file('a')] };
      assert.equal(await catalog.write(() => keepLock(lock, first, { actor, now: 1 })), 'kept');
      assert.equal(await note(false, 'b'), 'same');
      assert.deepEqual(await pinned(), ['a', 'b'], 'what is missing at the moment may come back');
      assert.equal(await note(true, 'b', 'c'), 'regained');
      assert.deepEqual(await pinned(), ['b', 'c']);
      assert.equal(await note(true, 'b', 'gone'), 'outdated');
      assert.equal((await catalog.read(() => findKeptLock('shop')))?.ready, true, 'nothing was noted');
    });

    test('texts go with the last job and the last lock that is about them', async (catalog) => {
      const id = await catalog.write(function* () {
        yield* putLockText('aa', '{"name":"a.txt"}', 1);
        yield* putLockText('aa', '{"name":"a.txt"}', 2);
        yield* putLockText('bb', '{}', 1);
        yield* putLockText('cc', '{}', 1);
        const input = { lock: 'aa', targets: [], sdists: false };
        const job = (yield* enqueueJob({ kind: 'mirror-lock', input, actor, now: 1 })) ?? '';
        yield* linkMirrorJob(job, 'aa');
        yield* linkMirrorJob('forgotten', 'cc');
        yield* keepLock({ name: 'shop', lock: 'bb', options: '{}' }, readiness, { actor, now: 1 });
        return job;
      });
      assert.equal((await catalog.read(() => findLockOfJob(id)))?.digest, 'aa');
      while ((await catalog.write(() => pruneLockTexts(1))) > 0);
      const left = await Promise.all(['aa', 'bb', 'cc'].map((digest) => catalog.read(() => findLockText(digest))));
      assert.deepEqual(left, ['{"name":"a.txt"}', '{}', undefined]);
    });

    test('sources are found by requirement, address and bytes; a requirement that moves leaves what it led to', async (catalog) => {
      const source = (letter: string, filename: string) => ({
        project: demo,
        filename,
        digest: digestOf(letter),
        size: 1,
        origin: '{}',
      });
      const record = (letter: string, filename: string, ...requirements: string[]) =>
        catalog.write(() => recordSource(source(letter, filename), requirements, { actor, now: 1 }));
      assert.equal(await record('a', 'demo-a.tar.gz', 'demo @ main', 'demo @ aaaa'), true);
      assert.equal(await record('b', 'demo-b.tar.gz', 'demo @ main', 'demo @ bbbb'), true);
      assert.equal(await record('c', 'demo-b.tar.gz', 'demo @ cccc'), false);
      const found = await catalog.read(() => findSourcesFor(['demo @ main', 'demo @ aaaa', 'demo @ cccc']));
      assert.deepEqual([...found].map(([key, { filename }]) => [key, filename]).sort(), [
        ['demo @ aaaa', 'demo-a.tar.gz'],
        ['demo @ main', 'demo-b.tar.gz'],
      ]);
      assert.equal((await catalog.read(() => findSource(demo, 'demo-a.tar.gz')))?.digest, digestOf('a'));
      assert.equal((await catalog.read(() => findSourceByDigest(demo, digestOf('b'))))?.filename, 'demo-b.tar.gz');
      assert.equal(await catalog.read(() => findSource(demo, 'nothing')), undefined);
    });

    test('build requirements go with the bytes', async (catalog) => {
      const [a, b] = [digestOf('a'), digestOf('b')];
      await catalog.write(function* () {
        yield* touchBlob({ digest: a, size: 1 }, 1);
        yield* rememberBuildRequirements(a, '', ['x']);
        yield* rememberBuildRequirements(a, '', ['x', 'y']);
        yield* rememberBuildRequirements(a, 'sub', []);
        yield* rememberBuildRequirements(b, '', ['z']);
      });
      while ((await catalog.write(() => pruneBuildRequirements(1))) > 0);
      const left = await catalog.read(() => findBuildRequirements([a, b]));
      assert.deepEqual(
        [...left],
        [
          [buildKey(a), ['x', 'y']],
          [buildKey(a, 'sub'), []],
        ],
      );
    });

    test('what is held is found for many at once', async (catalog) => {
      const names = Array.from({ length: 1200 }, (_, i) => `p${i}` as ProjectName);
      const hex = (i: number): Digest => i.toString(16).padStart(64, '0') as Digest;
      await catalog.write(function* () {
        for (const [i, project] of names.entries()) {
          const detail = { filename: `${project}-1.0.tar.gz`, hashes: {} };
          const file = {
            repository: 'pypi',
            project,
            detail,
            version: '1.0',
            digest: hex(i),
            size: i,
            changesPage: false,
          };
          yield* recordPulledFile(
            i === 7 ? { ...file, metadata: { digest: hex(9999), size: 1, source: 'file' } } : file,
            1,
          );
        }
      });
      const digests = names.map((_, i) => hex(i));
      const held = await catalog.read(() => findHeldByDigest(digests));
      assert.equal(held.length, names.length);
      assert.deepEqual(
        held.filter(({ hasMetadata }) => hasMetadata).map(({ project }) => project),
        ['p7'],
      );
      assert.equal((await catalog.read(() => findHeldByProject(names.slice(0, 3)))).length, 3);
      assert.deepEqual(await catalog.read(() => findHeldByDigest([])), []);
      assert.deepEqual(await catalog.read(() => findProjectRows(names)), []);
    });
  });
}
