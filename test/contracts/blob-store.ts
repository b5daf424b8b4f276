import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, readdir, truncate } from 'node:fs/promises';
import { createServer, get, type IncomingMessage } from 'node:http';
import { PassThrough, type Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { BlobStore } from '../../storage/blob-store.ts';
import { type Digest, parseDigest } from '../../storage/digest.ts';
import { BlobNotFoundError, StorageUnavailableError } from '../../storage/errors.ts';
import type { BlobStoreConfig } from '../../storage/open.ts';
import { sweepSpools } from '../../storage/spool.ts';
import { sent } from '../support/sent.ts';
import { digestOf, spooled } from '../support/spooled.ts';
import { makeTempDir } from '../support/temp-dir.ts';

/** An empty store, and what the suite needs to look at it from outside. */
export interface BlobStoreUnderTest {
  readonly store: BlobStore;
  /** The same bytes through another instance, as a second node or a restarted one sees them. */
  readonly again?: () => Promise<BlobStore>;
  /** The same store for a child process that is killed between the steps of `put`. */
  readonly config?: BlobStoreConfig;
  readonly dispose?: () => Promise<void>;
}

/** What `put-and-die.ts` is told. */
export interface PutAndDie {
  readonly config: BlobStoreConfig;
  readonly spoolDir: string;
  readonly text: string;
  readonly times: number;
  readonly dieAt: number;
}

export interface BlobStoreContractOptions {
  /** Why the suite cannot run here. */
  readonly skip?: string | undefined;
  /** Size of the blob that is put by processes that are killed; large enough to take every step. 100,000 when left out. */
  readonly dyingBytes?: number;
}

const LARGE = Buffer.alloc(1_500_000, 'large blob, ');
const WHOLE = { start: 0, end: LARGE.length - 1 };

/** What every blob store has to do. `make` is called before each test. */
export function blobStoreContract(
  name: string,
  make: () => Promise<BlobStoreUnderTest>,
  options: BlobStoreContractOptions = {},
): void {
  describe(`${name} keeps the contract of a blob store`, { skip: options.skip ?? false }, () => {
    let spools: { dir: string; remove: () => Promise<void> };
    let made: BlobStoreUnderTest;
    let store: BlobStore;
    const put = async (bytes: Uint8Array | string): Promise<Digest> => {
      const blob = await spooled(spools.dir, bytes);
      await store.put(blob);
      return blob.digest;
    };
    before(async () => {
      spools = await makeTempDir();
    });
    after(() => spools.remove());
    beforeEach(async () => {
      made = await make();
      store = made.store;
    });
    afterEach(() => made.dispose?.());

    test('round trip; the spooled file is taken', async () => {
      const blob = await spooled(spools.dir, 'hello');
      await store.put(blob);
      assert.equal((await buffer(await store.open(blob.digest))).toString(), 'hello');
      assert.deepEqual(await store.stat(blob.digest), { digest: blob.digest, size: 5 });
      await assert.rejects(access(blob.path), { code: 'ENOENT' });
    });

    test('an empty blob is a blob', async () => {
      const digest = await put('');
      assert.deepEqual(await store.stat(digest), { digest, size: 0 });
      assert.equal((await buffer(await store.open(digest))).length, 0);
      assert.equal((await sent(store, digest, { start: 0, end: -1 })).length, 0);
      assert.deepEqual(await all(store.list()), [{ digest, size: 0 }]);
    });

    for (const [size, bytes] of [
      ['small', Buffer.from('0123456789')],
      ['large', LARGE],
    ] as const) {
      test(`ranges of a ${size} blob, at both ends and beyond`, async () => {
        const digest = await put(bytes);
        const last = bytes.length - 1;
        for (const [start, end] of [
          [0, 0],
          [last, last],
          [1, last - 1],
          [0, last],
          [3, 2],
        ] as const) {
          const expected = bytes.subarray(start, end + 1);
          assert.ok((await buffer(await store.open(digest, { start, end }))).equals(expected), `open ${start}-${end}`);
          assert.ok((await sent(store, digest, { start, end })).equals(expected), `send ${start}-${end}`);
        }
        await assert.rejects(store.open(digest, { start: 0, end: last + 1 }), RangeError);
        await assert.rejects(sent(store, digest, { start: last + 1, end: last + 1 }), RangeError);
      });
    }

    test('storing a digest twice is a no-op that takes the file', async () => {
      const digest = await put('twice');
      const second = await spooled(spools.dir, 'twice');
      await store.put(second);
      await assert.rejects(access(second.path), { code: 'ENOENT' });
      assert.equal((await sent(store, digest, { start: 0, end: 4 })).toString(), 'twice');
      assert.equal((await all(store.list())).length, 1);
    });

    test('several writers of one digest at once all succeed', async () => {
      const other = (await made.again?.()) ?? store;
      const blobs = await Promise.all(Array.from({ length: 6 }, () => spooled(spools.dir, LARGE)));
      await Promise.all(blobs.map((blob, index) => (index % 2 === 0 ? store : other).put(blob)));
      assert.ok((await sent(other, digestOf(LARGE), WHOLE)).equals(LARGE));
      assert.deepEqual(await all(store.list()), [{ digest: digestOf(LARGE), size: LARGE.length }]);
    });

    test('what is not there is not found, before the first byte', async () => {
      await put('something else');
      const digest = digestOf('never stored');
      const out = new PassThrough();
      await assert.rejects(store.open(digest), BlobNotFoundError);
      await assert.rejects(store.open(digest, { start: 0, end: 3 }), BlobNotFoundError);
      await assert.rejects(store.send(digest, { start: 0, end: 3 }, out), BlobNotFoundError);
      assert.equal(out.read(), null);
      assert.equal(await store.stat(digest), undefined);
    });

    test('what has begun can be had: it is sent, or let go', async () => {
      for (const bytes of [Buffer.from('0123456789'), LARGE]) {
        const digest = await put(bytes);
        const blob = { digest, size: bytes.length };
        for (const [start, end] of [
          [0, bytes.length - 1],
          [3, 7],
        ] as const) {
          for (let times = 0; times < 3; times++) {
            (await store.begin(blob, { start, end })).close();
            const begun = await store.begin(blob, { start, end });
            const out = new PassThrough();
            const received = buffer(out);
            await begun.send(out);
            out.end();
            assert.ok((await received).equals(bytes.subarray(start, end + 1)));
          }
        }
      }
      const missing = { digest: digestOf('never stored'), size: 4 };
      for (let times = 0; times < 3; times++) {
        await assert.rejects(store.begin(missing, { start: 0, end: 3 }), BlobNotFoundError);
      }
    });

    test('deleting removes, and removing what is not there succeeds', async () => {
      const [kept, gone] = [await put('kept'), await put('gone')];
      await sent(store, gone, { start: 0, end: 3 });
      await store.delete(gone);
      await store.delete(gone);
      await store.delete(digestOf('never stored'));
      assert.equal(await store.stat(gone), undefined);
      await assert.rejects(store.open(gone), BlobNotFoundError);
      await assert.rejects(sent(store, gone, { start: 0, end: 3 }), BlobNotFoundError);
      assert.deepEqual(await all(store.list()), [{ digest: kept, size: 4 }]);
      await put('gone');
      assert.equal((await sent(store, gone, { start: 0, end: 3 })).toString(), 'gone');
    });

    test('the list is in order, and begins after what it is told', async () => {
      assert.deepEqual(await all(store.list()), []);
      const digests: Digest[] = [];
      for (let index = 0; index < 12; index++) digests.push(await put(`blob ${index}`));
      digests.sort();
      assert.deepEqual(await listed(store), digests);
      for (const [index, digest] of digests.entries()) {
        assert.deepEqual(await listed(store, digest), digests.slice(index + 1));
      }
      const lowest = parseDigest('0'.repeat(64));
      const highest = parseDigest('f'.repeat(64));
      assert.deepEqual(await listed(store, lowest), digests);
      assert.deepEqual(await listed(store, highest), []);
    });

    test('a put that fails leaves nothing to be seen', async () => {
      const shortened = await spooled(spools.dir, LARGE);
      await truncate(shortened.path, LARGE.length - 1);
      await assert.rejects(store.put(shortened), StorageUnavailableError);
      const vanished = { digest: digestOf('vanished'), size: 8, path: `${spools.dir}/vanished` };
      await assert.rejects(store.put(vanished), StorageUnavailableError);
      assert.equal(await store.stat(shortened.digest), undefined);
      assert.equal(await store.stat(vanished.digest), undefined);
      assert.deepEqual(await all(store.list()), []);
    });

    test('a slow reader gets everything, and its stream is left open', async () => {
      const digest = await put(LARGE);
      const parts: Buffer[] = [];
      const out = new Writable({
        highWaterMark: 1,
        write: (chunk: Buffer, _encoding, callback) => {
          parts.push(chunk);
          setImmediate(callback);
        },
      });
      await store.send(digest, WHOLE, out);
      assert.ok(Buffer.concat(parts).equals(LARGE));
      assert.equal(out.writableEnded, false);
    });

    test('a client that leaves settles the sending, and others are not disturbed', async (t) => {
      const digest = await put(LARGE);
      const outcomes: Promise<void>[] = [];
      const server = createServer((_request, response) => {
        response.writeHead(200, { 'content-length': LARGE.length });
        const sending = store.send(digest, WHOLE, response);
        outcomes.push(sending);
        sending.then(() => response.end());
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      t.after(() => server.close());
      const replies = await Promise.all(Array.from({ length: 6 }, () => request(server.address())));
      for (const reply of replies.slice(0, 3)) reply.destroy();
      const bodies = await Promise.all(replies.slice(3).map((reply) => buffer(reply)));
      for (const body of bodies) assert.ok(body.equals(LARGE));
      await Promise.all(outcomes);
      const closed = new PassThrough();
      closed.destroy();
      await store.send(digest, WHOLE, closed);
    });

    test('a stream that is destroyed half-way does no harm', async () => {
      const digest = await put(LARGE);
      const half: Readable = await store.open(digest);
      await once(half, 'readable');
      half.destroy();
      assert.ok((await buffer(await store.open(digest))).equals(LARGE));
    });

    test('it says that it works and how much room there is', async () => {
      await store.check();
      assert.ok((await store.spareBytes()) > 0);
    });

    test('a process killed between any two steps of put leaves all or nothing, and the next put works', async (t) => {
      const { config } = made;
      if (!config) return; // nothing of it outlives a process
      const dying = await makeTempDir();
      t.after(dying.remove);
      const text = '0123456789';
      const times = (options.dyingBytes ?? 100_000) / text.length;
      const content = text.repeat(times);
      const digest = digestOf(content);
      let dieAt = 0;
      while (await dies({ config, spoolDir: dying.dir, text, times, dieAt })) {
        const restarted = (await made.again?.()) ?? store;
        const stat = await restarted.stat(digest);
        const blobs = await all(restarted.list());
        assert.deepEqual(
          blobs,
          stat ? [{ digest, size: content.length }] : [],
          `listed after a death at step ${dieAt}`,
        );
        if (stat) assert.equal((await buffer(await restarted.open(digest))).toString(), content);
        await sweepSpools(dying.dir);
        assert.deepEqual(await readdir(dying.dir), []);
        await restarted.put(await spooled(dying.dir, content));
        assert.equal((await sent(restarted, digest, { start: 0, end: content.length - 1 })).toString(), content);
        await restarted.delete(digest);
        dieAt++;
      }
      assert.ok(dieAt >= 2, 'there are steps to die between');
      assert.deepEqual(await all(store.list()), [{ digest, size: content.length }]);
    });
  });
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function listed(store: BlobStore, after?: Digest): Promise<Digest[]> {
  return (await all(store.list(after))).map((stat) => stat.digest);
}

async function request(address: unknown): Promise<IncomingMessage> {
  assert.ok(address && typeof address === 'object' && 'port' in address);
  const asked = get({ host: '127.0.0.1', port: Number(address.port), agent: false });
  const [reply] = (await once(asked, 'response')) as [IncomingMessage];
  return reply;
}

/** True when the child was killed at its step, false when it had no such step and finished. */
async function dies(plan: PutAndDie): Promise<boolean> {
  const script = fileURLToPath(new URL('../support/put-and-die.ts', import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(plan)], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  assert.ok(signal === 'SIGKILL' || code === 0, `the child ended with ${code ?? signal}`);
  return signal === 'SIGKILL';
}
