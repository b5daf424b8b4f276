import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { run } from '../../../server/catalog/catalog.ts';
import { listEvents } from '../../../server/catalog/events.ts';
import { sql } from '../../../server/catalog/schema.ts';
import { type RepairBlob, verifyBlobs } from '../../../server/jobs/verify-blobs.ts';
import { createBlobKeeper } from '../../../server/keep-blobs.ts';
import type { JobCounts } from '../../../server/model/job.ts';
import type { Digest } from '../../../storage/digest.ts';
import { StorageUnavailableError } from '../../../storage/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { digestOf, spooled } from '../../support/spooled.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { testCatalog } from '../../support/test-catalog.ts';

describe('verification', () => {
  it('finds nothing where all is sound', async (t) => {
    const { keep, verify } = await setUp(t);
    await keep('one');
    await keep('three');
    const { outcome, items } = await verify();
    assert.deepEqual(outcome, { checked: 2, bytes: 8, corrupt: 0, missing: 0, repaired: 0 });
    assert.deepEqual(items, []);
  });

  it('sets corrupt bytes aside, so that they are never served, and tells', async (t) => {
    const { keep, verify, blobs, corrupt, dir, catalog } = await setUp(t);
    const digest = await keep('one');
    await keep('two');
    corrupt.add(digest);
    const { outcome, items } = await verify();
    assert.deepEqual(outcome, { checked: 2, bytes: 12, corrupt: 1, missing: 0, repaired: 0 });
    assert.deepEqual(items, [{ key: digest, state: 'corrupt', detail: { repair: 'lost' } }]);
    assert.equal(await blobs.stat(digest), undefined);
    assert.equal(await readFile(join(dir, 'aside', digest), 'utf8'), 'corrupted');
    const [event] = await catalog.read(() => listEvents({ limit: 1 }));
    assert.deepEqual([event?.kind, event?.subject], ['blob-corrupt', `blob/${digest}`]);
  });

  it('lets what is corrupt or missing be repaired', async (t) => {
    const { keep, verify, blobs, corrupt } = await setUp(t);
    const [one, two] = [await keep('one'), await keep('two')];
    corrupt.add(one);
    await blobs.delete(two);
    const asked: Digest[] = [];
    const { outcome, items } = await verify({
      repair: async (digest) => {
        asked.push(digest);
        assert.equal(await blobs.stat(digest), undefined, 'the corrupt bytes are out of the way');
        return digest === one ? 'repaired' : 'forgotten';
      },
    });
    assert.deepEqual(asked.sort(), [one, two].sort());
    assert.deepEqual([outcome.corrupt, outcome.missing, outcome.repaired], [1, 1, 2]);
    assert.equal(items.length, 2);
  });

  it('tells which bytes the disk does not give, leaves them where they are, and goes on', async (t) => {
    const { keep, verify, blobs, unreadable } = await setUp(t);
    const digests = [await keep('one'), await keep('two')].sort();
    const [first] = digests as [Digest];
    unreadable.add(first);
    const { outcome, items } = await verify({ repair: async () => assert.fail('nothing is lost') });
    assert.deepEqual(outcome, { checked: 2, bytes: 3, corrupt: 1, missing: 0, repaired: 0 });
    const why = 'EIO: i/o error, read';
    assert.deepEqual(items, [{ key: first, state: 'unreadable', detail: { repair: 'left', why } }]);
    assert.equal((await blobs.stat(first))?.size, 3);
  });

  it('comes to no verdict while the store as a whole does not work', async (t) => {
    const { keep, verify, unreadable, outage } = await setUp(t);
    unreadable.add(await keep('one'));
    outage.error = new StorageUnavailableError('the disk is gone');
    await assert.rejects(verify(), /the disk is gone/);
  });

  it('does not miss what nothing refers to', async (t) => {
    const { keep, verify, blobs } = await setUp(t);
    const digest = await keep('loose', { named: false });
    await blobs.delete(digest);
    assert.equal((await verify()).outcome.missing, 0);
  });

  it('goes on where it was, and its result tells what was found before', async (t) => {
    const { keep, verify, blobs, corrupt } = await setUp(t);
    const digests = [await keep('one'), await keep('two'), await keep('six')].sort();
    const [first, second, third] = digests as [Digest, Digest, Digest];
    corrupt.add(first);
    await blobs.delete(second);
    const halt = new AbortController();
    const told: Told[] = [];
    const repair: RepairBlob = async (digest) => {
      if (digest === second) halt.abort(new Error('the node stops'));
      halt.signal.throwIfAborted();
      return 'lost';
    };
    await assert.rejects(verify({ repair, signal: halt.signal, told }), /the node stops/);
    const before = told.at(-1);
    assert.equal(before?.position, first);
    const { outcome } = await verify({ ...before, told });
    assert.deepEqual(outcome, { checked: 3, bytes: 12, corrupt: 1, missing: 1, repaired: 0 });
    assert.equal(told.at(-1)?.position, third);
  });

  it('stops when it is told to', async (t) => {
    const { keep, verify } = await setUp(t);
    await keep('one');
    await assert.rejects(verify({ signal: AbortSignal.abort(new Error('enough')) }), /enough/);
  });
});

/** What is kept of a try. */
interface Told {
  readonly counts: JobCounts;
  readonly position: string;
}

async function setUp(t: TestContext) {
  const catalog = await testCatalog(t);
  const dir = await tempDir(t);
  const clock = new FakeClock();
  const blobs = new MemoryStore();
  const corrupt = new Set<Digest>();
  const unreadable = new Set<Digest>();
  const outage: { error?: Error } = {};
  const keeper = createBlobKeeper({ catalog, blobs, clock });
  const keep = async (text: string, { named = true } = {}): Promise<Digest> => {
    const blob = await spooled(dir, text);
    await keeper.keep(blob);
    const file = { project: 'p', filename: text, repository: 'r', version: '1', digest: blob.digest, size: 1 };
    if (named) {
      const row = { ...file, detail: '{}', stored_at: 1, deleted_at: null };
      await catalog.write(() => run(sql.insertInto('file').values(row)));
    }
    return digestOf(text);
  };
  const verify = async (options: Partial<Told> & { repair?: RepairBlob; signal?: AbortSignal; told?: Told[] } = {}) => {
    const { repair, position, counts = {}, signal = new AbortController().signal, told } = options;
    const items: object[] = [];
    const store = {
      open: async (digest: Digest) => {
        if (unreadable.has(digest)) return failing(Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' }));
        return corrupt.has(digest) ? Readable.from([Buffer.from('corrupted')]) : blobs.open(digest);
      },
      check: async () => {
        if (outage.error !== undefined) throw outage.error;
      },
      delete: (digest: Digest) => blobs.delete(digest),
    };
    const parts = { catalog, clock, blobs: store, setAsideDir: join(dir, 'aside'), ...(repair && { repair }) };
    const outcome = await verifyBlobs(parts, {
      actor: { name: 'root' },
      signal,
      ...(position === undefined ? {} : { position }),
      counts,
      progress: (now, reached) => void told?.push({ counts: now, position: String(reached) }),
      item: async (key, { state, detail }) => void items.push({ key, state, detail }),
    });
    return { outcome, items };
  };
  return { catalog, dir, blobs, corrupt, unreadable, outage, keep, verify };
}

function failing(error: Error): Readable {
  return new Readable({
    read() {
      this.destroy(error);
    },
  });
}
