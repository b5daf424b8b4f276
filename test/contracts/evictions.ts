import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { touchBlob } from '../../server/catalog/blobs.ts';
import { all, type Catalog, run } from '../../server/catalog/catalog.ts';
import { listEvents } from '../../server/catalog/events.ts';
import { keepLock } from '../../server/catalog/locks.ts';
import { findProjectState } from '../../server/catalog/project-state.ts';
import { publishFile } from '../../server/catalog/publish.ts';
import { sql } from '../../server/catalog/schema.ts';
import { recordSource } from '../../server/catalog/sources.ts';
import { recordPulledFile } from '../../server/catalog/stored-files.ts';
import { rememberPage, renewPage } from '../../server/catalog/upstream-pages.ts';
import { type EvictParts, evictCache } from '../../server/jobs/evict-cache.ts';
import type { DistributionFile } from '../../server/model/distribution-file.ts';
import type { ProjectName } from '../../server/model/project-name.ts';
import { Problem } from '../../server/problem.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { digestOf } from '../support/spooled.ts';

const DAY = 24 * 60 * 60_000;
const actor = { name: 'root' };
const log = pino({ level: 'silent' });
const readiness = { ready: true, missing: '[]', missingCount: 0 };

/** What evictions promise on every catalog. `make` opens one of its own, with every migration and no rows. */
export function evictionsContract(
  name: string,
  make: () => Promise<Catalog>,
  options: { skip?: string | false } = {},
): void {
  describe(`${name}: evictions`, { skip: options.skip ?? false }, () => {
    const test = (promise: string, body: (world: World) => Promise<void>): void => {
      it(promise, async () => {
        const catalog = await make();
        try {
          await body(new World(catalog));
        } finally {
          await catalog.close();
        }
      });
    };

    test('what was used longest ago goes first, over several upstreams, until it fits', async (world) => {
      await world.pull('a', { size: 100, daysAgo: 50 });
      await world.pull('b', { size: 100, daysAgo: 70, repository: 'other' });
      await world.pull('c', { size: 100, daysAgo: 60 });
      await world.pull('d', { size: 100, daysAgo: 40 });
      const { evicted, evictedBytes, cacheBytes, cacheNote } = await world.evict({ maxBytes: 250 });
      assert.deepEqual([evicted, evictedBytes, cacheBytes, cacheNote], [2, 200, 200, undefined]);
      assert.deepEqual(await world.stored(), ['pypi/a', 'pypi/d']);
      assert.equal((await world.evict({ maxBytes: 250 })).evicted, 0);
      const [event] = await world.catalog.read(() => listEvents({ kind: 'cache-evicted', limit: 9 }));
      assert.deepEqual(event?.detail, {
        evicted: 2,
        evictedBytes: 200,
        files: ['other/b/b-1.tar.gz', 'pypi/c/c-1.tar.gz'],
      });
      assert.equal(event?.by, 'root');
    });

    test('no limit is passed, nothing is let go and no upstream is asked', async (world) => {
      await world.pull('a', { size: 100, daysAgo: 500 });
      assert.deepEqual(await world.evict({ maxBytes: 100 }), { evicted: 0, evictedBytes: 0, cacheBytes: 100 });
      assert.deepEqual(world.asked, []);
    });

    test('what was used within the time stays, however much it is, and it is said', async (world) => {
      await world.pull('a', { size: 100, daysAgo: 30 });
      await world.pull('b', { size: 100, daysAgo: 32 });
      const { evicted, cacheNote } = await world.evict({ maxBytes: 0 });
      assert.equal(evicted, 1, 'a use may have been a day later than is remembered');
      assert.deepEqual(await world.stored(), ['pypi/a']);
      const sentence = 'what is left was used within limits.cacheKeepFor.';
      assert.equal(cacheNote, `The cache has 100 bytes, 100 more than limits.cacheBytes: ${sentence}`);
    });

    test('what an earlier version has stored counts from then', async (world) => {
      await world.pull('a', { size: 1, daysAgo: 90 });
      await world.pull('b', { size: 1, daysAgo: 10 });
      await world.catalog.write(() => run(sql.updateTable('file').set({ used_at: null })));
      await world.evict({ maxBytes: 0 });
      assert.deepEqual(await world.stored(), ['pypi/b']);
    });

    test('what a kept lock needs stays', async (world) => {
      await world.pull('a', { size: 1, daysAgo: 90 });
      await world.pull('b', { size: 1, daysAgo: 80 });
      await world.keep('a');
      const { cacheNote } = await world.evict({ maxBytes: 0 });
      assert.deepEqual(await world.stored(), ['pypi/a']);
      assert.match(String(cacheNote), /or is needed by kept locks \(1 file\)\.$/);
    });

    test('what a lock that is kept at this very moment needs stays', async (world) => {
      await world.pull('a', { size: 1, daysAgo: 90 });
      await world.pull('b', { size: 1, daysAgo: 80 });
      world.whenAsked = async (project) => {
        if (project === 'a') assert.equal(await world.keep('a'), 'kept');
      };
      await world.evict({ maxBytes: 0 });
      assert.deepEqual(await world.stored(), ['pypi/a']);
    });

    test('a lock is not kept as ready with what has gone since it was looked at', async (world) => {
      await world.pull('a', { size: 1, daysAgo: 90 });
      await world.evict({ maxBytes: 0 });
      assert.equal(await world.keep('a'), 'lost');
    });

    test('a lock kept and an eviction at the same time: never is the lock without its file', async (world) => {
      for (let i = 0; i < 10; i += 1) {
        await world.pull(`p${i}`, { size: 1, daysAgo: 90 });
        const [came] = await Promise.all([world.keep(`p${i}`), world.evict({ maxBytes: 0 })]);
        assert.equal(came === 'kept', (await world.stored()).includes(`pypi/p${i}`), came);
      }
    });

    test('what was used or has changed upstream in the meantime stays', async (world) => {
      await world.pull('a', { size: 1, daysAgo: 90 });
      await world.pull('b', { size: 1, daysAgo: 90 });
      const used = sql.updateTable('file').set({ used_at: world.clock.nowMs() }).where('project', '=', 'a');
      world.whenAsked = async () => {
        await world.catalog.write(() => run(used));
      };
      world.beforeWrite = async () => {
        await world.list('b', []);
      };
      await world.evict({ maxBytes: 0 });
      assert.deepEqual(await world.stored(), ['pypi/a', 'pypi/b']);
    });

    for (const [what, change] of [
      ['is not listed', async (world) => await world.list('a', [])],
      ['is listed as removed', async (world) => await world.list('a', [{ ...world.file('a'), removedAt: 1 } as never])],
      [
        'has been missing for a while',
        async (world) => await world.list('a', [{ ...world.file('a'), missingSince: 1 } as never]),
      ],
      [
        'is listed with other bytes',
        async (world) => await world.list('a', [{ ...world.file('a'), hashes: { sha256: digestOf('x') } }]),
      ],
      ['is listed with another size', async (world) => await world.list('a', [{ ...world.file('a'), size: 7 }])],
      ['is listed without a hash', async (world) => await world.list('a', [{ ...world.file('a'), hashes: {} }])],
      ['is of a project that is absent', async (world) => await world.list('a', [world.file('a')], { present: false })],
      [
        'is of a project that is quarantined',
        async (world) => await world.list('a', [world.file('a')], { status: 'quarantined' }),
      ],
      [
        'is of a project that is doubted',
        async (world) => await world.list('a', [world.file('a')], { suspectSince: 1 }),
      ],
      ['is of a project that nobody may ask for', async (world) => await world.change({ unasked: ['a'] })],
      ['comes from an upstream that is down', async (world) => await world.change({ isWell: false })],
      ['comes from an upstream that fails', async (world) => await world.change({ fails: true })],
    ] as readonly (readonly [string, (world: World) => Promise<void>])[]) {
      test(`what ${what} stays`, async (world) => {
        await world.pull('a', { size: 1, daysAgo: 90 });
        await change(world);
        const { evicted, cacheNote } = await world.evict({ maxBytes: 0 });
        assert.equal(evicted, 0);
        assert.match(String(cacheNote), /may not be had again \(1 file\)|does not answer \(pypi\)/);
        assert.deepEqual(await world.stored(), ['pypi/a']);
      });
    }

    test('an upstream without sha256 is believed when it promises the same as before', async (world) => {
      await world.pull('a', { size: 1, daysAgo: 90, hashes: { md5: 'ab' } });
      await world.pull('b', { size: 1, daysAgo: 90, hashes: { md5: 'ab' } });
      await world.list('b', [{ ...world.file('b'), hashes: { md5: 'cd' } }]);
      await world.evict({ maxBytes: 0 });
      assert.deepEqual(await world.stored(), ['pypi/b']);
    });

    test('an upstream is asked for what it has not said within the hour, and no more once it has failed three times', async (world) => {
      for (const [project, daysAgo] of [
        ['a', 90],
        ['b', 80],
        ['c', 70],
        ['d', 60],
      ] as const)
        await world.pull(project, { size: 1, daysAgo });
      await world.list('a', [world.file('a')], { checkedAt: world.clock.nowMs() - 1000 });
      world.change({ fails: true });
      await world.pull('e', { size: 1, daysAgo: 50 });
      assert.equal((await world.evict({ maxBytes: 0 })).evicted, 1);
      assert.deepEqual(world.asked, ['b', 'c', 'd']);
    });

    test('bytes that two upstreams have count once, and go with the last', async (world) => {
      await world.pull('a', { size: 100, daysAgo: 90 });
      await world.pull('a', { size: 100, daysAgo: 60, repository: 'other' });
      await world.pull('b', { size: 50, daysAgo: 70 });
      const first = await world.evict({ maxBytes: 100 });
      assert.deepEqual([first.evicted, first.evictedBytes, first.cacheBytes], [2, 50, 100]);
      assert.deepEqual(await world.stored(), ['other/a']);
      const second = await world.evict({ maxBytes: 99 });
      assert.deepEqual([second.evicted, second.evictedBytes, second.cacheBytes], [1, 100, 0]);
    });

    test('what something else keeps does not count and stays', async (world) => {
      for (const project of ['hosted', 'source', 'bundle', 'cached'])
        await world.pull(project, { size: 9, daysAgo: 90 });
      await world.catalog.write(function* () {
        const { detail, ...facts } = world.facts('hosted', { size: 9 });
        const metadata = { digest: digestOf('metadata'), size: 1 };
        yield* publishFile({ ...facts, repository: 'local', detail, displayName: 'x', metadata, actor }, 1);
        const source = { ...world.facts('source', { size: 9 }), filename: 'source-1.tar.gz', origin: '{}' };
        yield* recordSource(source, ['source @ there'], { actor, now: 1 });
        const bundle = {
          app: 'x',
          version: '1',
          sort_key: '1',
          prerelease: 0,
          filename: 'x',
          content_type: 'x',
          size: 9,
        };
        const by = { created_at: 1, created_by: 'x', commit_id: null, tag: null, build_url: null };
        const rest = { contents: null, contents_note: null, deleted_at: null };
        yield* run(sql.insertInto('bundle_version').values({ ...bundle, ...by, ...rest, digest: digestOf('bundle') }));
      });
      const { evicted, cacheBytes, cacheNote } = await world.evict({ maxBytes: 0 });
      assert.deepEqual([evicted, cacheBytes, cacheNote], [1, 0, undefined]);
      assert.deepEqual(await world.stored(), ['local/hosted', 'pypi/bundle', 'pypi/hosted', 'pypi/source']);
    });

    test('pages are new, here and in the offline view', async (world) => {
      await world.pull('a', { size: 1, daysAgo: 90 });
      const state = () => world.catalog.read(() => findProjectState('pypi', 'a' as ProjectName));
      const before = await state();
      await world.evict({ maxBytes: 0 });
      const after = await state();
      assert.ok(before && after && after.revision > before.revision && after.storedRevision > before.storedRevision);
    });

    test('many go in small steps; who stops in between goes on the next time, and two may be at it', async (world) => {
      for (let i = 0; i < 130; i += 1) await world.pull(`p${i % 7}`, { size: 1, daysAgo: 90 + i, version: i });
      const stop = new AbortController();
      const onProgress = () => stop.abort(new Error('enough'));
      await assert.rejects(world.evict({ maxBytes: 10 }, { signal: stop.signal, onProgress }), /enough/);
      assert.equal((await world.stored()).length, 80);
      const both = await Promise.all([world.evict({ maxBytes: 10 }), world.evict({ maxBytes: 10 })]);
      assert.equal(both.reduce((sum, { evicted }) => sum + evicted, 0) + (await world.stored()).length, 80);
      assert.ok((await world.stored()).length <= 10);
      assert.deepEqual(
        both.map(({ cacheNote }) => cacheNote),
        [undefined, undefined],
      );
    });
  });
}

interface Pulled {
  readonly size: number;
  readonly daysAgo: number;
  readonly repository?: string;
  readonly version?: number;
  readonly hashes?: Record<string, string>;
}

/** A catalog with two upstreams that answer as a test wants. */
class World {
  readonly catalog: Catalog;
  readonly clock = new FakeClock();
  readonly asked: string[] = [];
  #upstream: { readonly unasked: readonly string[]; readonly isWell: boolean; readonly fails: boolean } = {
    unasked: [],
    isWell: true,
    fails: false,
  };
  whenAsked: (project: string) => Promise<void> = async () => {};
  beforeWrite: () => Promise<void> = async () => {};
  readonly #pages = new Map<string, DistributionFile[]>();

  constructor(catalog: Catalog) {
    this.catalog = catalog;
  }

  change(upstream: {
    readonly unasked?: readonly string[];
    readonly isWell?: boolean;
    readonly fails?: boolean;
  }): void {
    this.#upstream = { ...this.#upstream, ...upstream };
  }

  facts(project: string, { size, version = 1, hashes }: Partial<Pulled> & { readonly size: number }) {
    const filename = `${project}-${version}.tar.gz`;
    const digest = digestOf(version === 1 ? project : `${project} ${version}`);
    const detail = { filename, size, hashes: hashes ?? { sha256: digest }, url: `https://files.example/${filename}` };
    return { project: project as ProjectName, version: String(version), digest, size, detail };
  }

  /** The newest file of a project, as its page lists it. */
  file(project: string): DistributionFile {
    return this.#pages.get(`pypi/${project}`)?.at(-1) as DistributionFile;
  }

  /** A file that was pulled through, and used last, so many days ago. */
  async pull(project: string, pulled: Pulled): Promise<void> {
    const { repository = 'pypi', daysAgo } = pulled;
    const facts = this.facts(project, pulled);
    const files = [...(this.#pages.get(`${repository}/${project}`) ?? []), facts.detail];
    this.#pages.set(`${repository}/${project}`, files);
    const then = this.clock.nowMs() - daysAgo * DAY;
    await this.catalog.write(() => touchBlob(facts, then));
    await this.list(project, files, { repository, checkedAt: then });
    await this.catalog.write(() => recordPulledFile({ ...facts, repository, changesPage: false }, then));
  }

  /** What upstream says of a project. */
  async list(
    project: string,
    files: readonly DistributionFile[],
    {
      repository = 'pypi',
      present = true,
      status = 'active' as const,
      suspectSince,
      checkedAt = 0,
    }: {
      readonly repository?: string;
      readonly present?: boolean;
      readonly status?: 'active' | 'quarantined';
      readonly suspectSince?: number;
      readonly checkedAt?: number;
    } = {},
  ): Promise<void> {
    const name = project as ProjectName;
    const unsaid = { statusReason: undefined, etag: undefined, serial: undefined };
    const body = JSON.stringify({ name, status, versions: [], files });
    const page = { repository, name, present, status, suspectSince, checkedAt, freshUntil: 0, ...unsaid, body };
    await this.catalog.write(() => rememberPage(page));
  }

  keep(project: string): Promise<'kept' | 'lost'> {
    const files = [{ repository: 'pypi', project, filename: `${project}-1.tar.gz` }];
    const lock = { name: 'shop', lock: 'aa', options: '{}' };
    return this.catalog.write(() => keepLock(lock, { ...readiness, files }, { actor, now: this.clock.nowMs() }));
  }

  evict(
    limits: { readonly maxBytes: number },
    options: Partial<Parameters<typeof evictCache>[1]> = {},
  ): ReturnType<typeof evictCache> {
    const upstream = (name: string) => ({
      name,
      isWell: this.#upstream.isWell,
      refresh: async (project: ProjectName) => {
        this.asked.push(project);
        await this.whenAsked(project);
        if (this.#upstream.fails) throw new Problem('upstream-unavailable', 'It does not answer.', { retryAfter: 1 });
        const times = { checkedAt: this.clock.nowMs(), freshUntil: 0 };
        await this.catalog.write(() => renewPage(name, project, times));
      },
    });
    const parts: EvictParts = {
      catalog: {
        read: (script) => this.catalog.read(script),
        write: async (script) => {
          if (this.asked.length > 0) await this.beforeWrite();
          return this.catalog.write(script);
        },
        close: () => this.catalog.close(),
      },
      clock: this.clock,
      log,
      upstreams: new Map(['pypi', 'other'].map((name) => [name, upstream(name)])),
      askedFor: async (project) => new Set(this.#upstream.unasked.includes(project) ? [] : ['pypi', 'other']),
      uses: { flush: async () => {} },
      checkLocks: async () => {},
      keepForMs: 30 * DAY,
      ...limits,
    };
    return evictCache(parts, { actor, signal: new AbortController().signal, ...options });
  }

  /** Repository and project of every stored file. */
  async stored(): Promise<string[]> {
    const rows = await this.catalog.read(() => all(sql.selectFrom('file').select(['repository', 'project'])));
    return rows.map(({ repository, project }) => `${repository}/${project}`).sort();
  }
}
