import assert from 'node:assert/strict';
import { mkdir, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { all, type Catalog, run } from '../../../server/catalog/catalog.ts';
import { readMigrations } from '../../../server/catalog/migrate.ts';
import { openPostgres } from '../../../server/catalog/postgres.ts';
import { readOnlyState, setReadOnly } from '../../../server/catalog/read-only.ts';
import { sql } from '../../../server/catalog/schema.ts';
import { openSqlite } from '../../../server/catalog/sqlite.ts';
import { tableShapes } from '../../../server/catalog/table-shapes.ts';
import { systemClock } from '../../../server/clock.ts';
import { type Cellar, isSameCatalog, type MoveOutcome, type MoveParts, move } from '../../../server/moving/move.ts';
import { type MoveBytesParts, moveBytes } from '../../../server/moving/move-bytes.ts';
import { blobPath } from '../../../storage/blob-path.ts';
import { parseDigest } from '../../../storage/digest.ts';
import { openBlobStore } from '../../../storage/open.ts';
import { startS3 } from '../../support/engines.ts';
import { faulty } from '../../support/faulty.ts';
import { allRows, bytesOf, fillCellar } from '../../support/full-cellar.ts';
import { newBucket } from '../../support/s3-bucket.ts';
import { digestOf } from '../../support/spooled.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { MIGRATIONS_DIR } from '../../support/test-catalog.ts';
import { startTestPostgres } from '../../support/test-postgres.ts';

const [postgres, s3] = await Promise.all([startTestPostgres(), startS3('versitygw')]);
after(async () => {
  await postgres.stop();
  if (s3.skip === undefined) await s3.stop();
});
const skip = postgres.skip || s3.skip || false;
const tables = tableShapes(await readMigrations(MIGRATIONS_DIR));

type Test = { after(fn: () => Promise<void>): void };

describe('moving a cellar', () => {
  it('from SQLite and disk to PostgreSQL and S3 and back keeps every row and byte', { skip }, async (t) => {
    const home = await local(t);
    await fillCellar(home, 600);
    const there = await remote(t);
    const outcome = await moved(t, home, there);
    assert.deepEqual(
      outcome.tables.map(({ name }) => name),
      tables.map(({ name }) => name),
    );
    await assertSame(home, there);
    const back = await local(t);
    await moved(t, there, back);
    await assertSame(home, back);
    for (const index of [0, 1, 2, 3, 599]) {
      const bytes = bytesOf(index);
      const chunks: Buffer[] = [];
      for await (const chunk of await back.blobs.open(digestOf(bytes))) chunks.push(chunk as Buffer);
      assert.deepEqual(Buffer.concat(chunks), bytes);
    }
    for (const { catalog } of [home, there]) {
      const state = await catalog.read(readOnlyState);
      assert.ok(state.on);
      assert.equal(state.why, 'it was moved to other engines');
    }
    assert.deepEqual(await back.catalog.read(readOnlyState), { on: false });
  });

  it('takes over what is written, changed and removed meanwhile', async (t) => {
    const [home, copy] = [await local(t), await local(t)];
    await fillCellar(home, 40);
    let puts = 0;
    const blobs = faulty(copy.blobs, {
      put: async () => {
        puts += 1;
        if (puts !== 10) return;
        // In the middle of the first pass: a new blob with rows that name it, one that goes, rows that change.
        await fillCellar(home, 45);
        await home.catalog.write(function* () {
          yield* run(sql.deleteFrom('file').where('project', '=', 'a-0'));
          yield* run(sql.deleteFrom('job').where('id', '=', 'B-1'));
          yield* run(sql.updateTable('job').set({ unique_key: 'B-1' }).where('id', '=', 'a-12'));
          yield* run(sql.updateTable('project').set({ revision: 4711 }));
          yield* run(sql.insertInto('event').values({ ...event, id: 'later' }));
        });
      },
    });
    await moved(t, home, { ...copy, blobs });
    assert.ok(puts >= 45);
    await assertSame(home, copy);
  });

  it('goes on where it was when it was broken off', async (t) => {
    const [home, copy] = [await local(t), await local(t)];
    await fillCellar(home, 300);
    let puts = 0;
    const dying = faulty(copy.blobs, {
      put: () => {
        puts += 1;
        if (puts === 200) throw new Error('the end');
      },
    });
    await assert.rejects(move(partsOf(home, { ...copy, blobs: dying }, await tempDir(t))), /the end/);
    assert.deepEqual(await home.catalog.read(readOnlyState), { on: false });
    let again = 0;
    const counting = faulty(copy.blobs, {
      put: () => {
        again += 1;
      },
    });
    await moved(t, home, { ...copy, blobs: counting });
    // What was on its way when it died, and no more, comes a second time.
    assert.ok(again > 100 && again <= 300 - 128, `${again} blobs were copied again`);
    await assertSame(home, copy);
    const once = await move(partsOf(home, copy, await tempDir(t)));
    assert.equal(once.kind, 'moved-before');
  });

  it('takes writes again when its end fails, and not those that somebody else has stopped', async (t) => {
    const [home, copy] = [await local(t), await local(t)];
    await fillCellar(home, 5);
    const stop = new AbortController();
    const parts = partsOf(home, copy, await tempDir(t));
    const stopping: MoveParts = {
      ...parts,
      signal: stop.signal,
      onProgress: ({ phase }) => {
        if (phase === 'finishing') stop.abort(new Error('no more'));
      },
    };
    await assert.rejects(move(stopping), /no more/);
    assert.deepEqual(await home.catalog.read(readOnlyState), { on: false });
    const word = { on: true, why: 'a backup', actor: { name: 'ada' }, now: 7 };
    await home.catalog.write(() => setReadOnly(word));
    await assert.rejects(move(stopping), /no more/);
    assert.deepEqual(await home.catalog.read(readOnlyState), { on: true, since: 7, by: 'ada', why: 'a backup' });
    assert.equal((await move(parts)).kind, 'moved');
  });

  it('reports blobs whose bytes are wrong or gone, and copies none of them', async (t) => {
    const [home, copy] = [await local(t), await local(t)];
    await fillCellar(home, 12);
    const [gone, cut, other, unnamed] = [3, 4, 5, 6].map((index) => digestOf(bytesOf(index)));
    assert.ok(gone && cut && other && unnamed);
    await unlink(join(home.dir, 'blobs', blobPath(gone)));
    await truncate(join(home.dir, 'blobs', blobPath(cut)), 7);
    await writeFile(join(home.dir, 'blobs', blobPath(other)), Buffer.alloc(bytesOf(5).length, 'x'));
    await unlink(join(home.dir, 'blobs', blobPath(unnamed)));
    for (const table of ['file', 'core_metadata', 'bundle_version', 'source'] as const) {
      await home.catalog.write(() => run(sql.deleteFrom(table).where('digest', '=', unnamed)));
    }
    const parts = partsOf(home, copy, await tempDir(t));
    const first = await move(parts);
    assert.equal(first.kind, 'damaged');
    const expected = [
      { digest: gone, state: 'missing' },
      { digest: cut, state: 'corrupt' },
      { digest: other, state: 'corrupt' },
    ].sort((a, b) => (a.digest < b.digest ? -1 : 1));
    const told = (outcome: MoveOutcome) =>
      outcome.kind === 'moved-before'
        ? []
        : outcome.damaged
            .map(({ digest, state }) => ({ digest, state }))
            .sort((a, b) => (a.digest < b.digest ? -1 : 1));
    assert.deepEqual(told(first), expected);
    assert.deepEqual(await home.catalog.read(readOnlyState), { on: false });
    const second = await move({ ...parts, leaveDamaged: true });
    assert.equal(second.kind, 'moved');
    assert.deepEqual(told(second), expected);
    for (const digest of [gone, cut, other, unnamed]) assert.equal(await copy.blobs.stat(digest), undefined);
    const rows = await copy.catalog.read(() => all(sql.selectFrom('blob').select('digest')));
    const known = new Set(rows.map(({ digest }) => digest));
    // Verification of the copy will find them missing by their rows; nobody misses the one that nothing names.
    assert.deepEqual([known.has(gone), known.has(cut), known.has(unnamed), known.size], [true, true, false, 11]);
  });

  it('wants an empty target', async (t) => {
    const home = await local(t);
    await fillCellar(home, 3);
    const used = await local(t);
    await used.catalog.write(() => run(sql.insertInto('event').values(event)));
    await assert.rejects(move(partsOf(home, used, await tempDir(t))), /in use already: its table event has rows/);
    const stored = await local(t);
    await fillCellar({ ...(await local(t)), blobs: stored.blobs }, 1);
    await assert.rejects(move(partsOf(home, stored, await tempDir(t))), /in use already: its storage holds blob/);
    const copy = await local(t);
    await moved(t, home, copy);
    const another = await local(t);
    await assert.rejects(move(partsOf(another, copy, await tempDir(t))), /a copy of another cellar/);
    assert.ok(await isSameCatalog(home.catalog, home.catalog, systemClock));
    assert.ok(!(await isSameCatalog(home.catalog, copy.catalog, systemClock)));
  });

  it('takes bytes to another store while the rows stay, broken off and gone on with', async (t) => {
    const [home, other] = [await local(t), await local(t)];
    await fillCellar(home, 250);
    const table = tables.find(({ name }) => name === 'blob');
    assert.ok(table);
    const signal = new AbortController().signal;
    const { catalog, blobs: from } = home;
    const spoolDir = await tempDir(t);
    const parts: MoveBytesParts = {
      catalog,
      from,
      to: other.blobs,
      place: 'there',
      table,
      spoolDir,
      clock: systemClock,
      signal,
    };
    let puts = 0;
    const dying = faulty(other.blobs, {
      put: () => {
        puts += 1;
        if (puts === 100) throw new Error('the end');
      },
    });
    await assert.rejects(moveBytes({ ...parts, to: dying }), /the end/);
    assert.deepEqual(await catalog.read(readOnlyState), { on: false });
    const counting = faulty(other.blobs, {
      put: async () => {
        puts += 1;
        if (puts === 150) await fillCellar(home, 260);
      },
    });
    const outcome = await moveBytes({ ...parts, to: counting });
    assert.ok(outcome.kind === 'moved');
    assert.deepEqual([outcome.what, outcome.tables], ['bytes', [{ name: 'blob', rows: 260 }]]);
    assert.ok(puts <= 260 + 8, `${puts} puts`);
    await assertSame(home, { ...other, catalog });
    assert.equal((await moveBytes(parts)).kind, 'moved-before');
    await assert.rejects(moveBytes({ ...parts, place: 'elsewhere' }), /its storage holds blob/);
    const empty = { ...parts, to: (await local(t)).blobs, place: 'elsewhere' };
    await unlink(join(home.dir, 'blobs', blobPath(digestOf(bytesOf(9)))));
    const damaged = await moveBytes(empty);
    assert.ok(damaged.kind === 'damaged');
    assert.equal(damaged.damaged.length, 1);
    assert.equal((await moveBytes({ ...empty, leaveDamaged: true })).kind, 'moved');
  });

  it('leaves bytes where they are when both cellars keep them at one place', async (t) => {
    const home = await local(t);
    await fillCellar(home, 20);
    const copy = { ...(await local(t)), blobs: home.blobs };
    const blobs = faulty(home.blobs, { put: () => assert.fail('nothing is to be stored') });
    const outcome = await move({ ...partsOf(home, { ...copy, blobs }, await tempDir(t)), isSameStore: true });
    assert.equal(outcome.kind, 'moved');
    await assertSame(home, copy);
  });
});

const event = { id: 'x', at: 1, kind: 'test', by: 'ada', address: null, subject: 'a', detail: '{}' };

interface TestCellar extends Cellar {
  readonly dir: string;
  readonly spoolDir: string;
}

async function local(t: Test): Promise<TestCellar> {
  const dir = await tempDir(t);
  const catalog = await openSqlite({ path: join(dir, 'catalog.sqlite'), migrationsDir: MIGRATIONS_DIR });
  return await withStore(t, catalog, dir, { kind: 'disk', dir: join(dir, 'blobs') });
}

async function remote(t: Test): Promise<TestCellar> {
  if (s3.skip !== undefined) throw new Error(s3.skip);
  const catalog = await openPostgres({ url: await postgres.database(), migrationsDir: MIGRATIONS_DIR, poolSize: 4 });
  return await withStore(t, catalog, await tempDir(t), await newBucket(s3));
}

async function withStore(
  t: Test,
  catalog: Catalog,
  dir: string,
  config: Parameters<typeof openBlobStore>[0],
): Promise<TestCellar> {
  const spoolDir = join(dir, 'spool');
  await mkdir(spoolDir);
  const blobs = await openBlobStore(config, { spoolDir, minFreeBytes: 0, memoryBytes: 0 });
  t.after(async () => {
    await blobs.close();
    await catalog.close();
  });
  return { catalog, blobs, dir, spoolDir };
}

function partsOf(from: Cellar, to: Cellar, spoolDir: string): MoveParts {
  const signal = new AbortController().signal;
  return { from, to, tables, isSameStore: false, spoolDir, clock: systemClock, signal };
}

async function moved(t: Test, from: Cellar, to: Cellar): Promise<MoveOutcome & { readonly kind: 'moved' }> {
  const outcome = await move(partsOf(from, to, await tempDir(t)));
  assert.equal(outcome.kind, 'moved');
  assert.deepEqual(outcome.damaged, []);
  return outcome;
}

/** Both have the same rows and blobs, but for what their trails say of the move itself. */
async function assertSame(one: Cellar, other: Cellar): Promise<void> {
  const [rows, others] = [await allRows(one.catalog), await allRows(other.catalog)];
  const about = /^(cellar-moved|read-only-(begun|ended))$/;
  for (const [table, found] of rows) {
    const kept = (all: typeof found) => all.filter(({ kind }) => !about.test(String(kind)));
    assert.ok(found.length > 0, table);
    assert.deepEqual(kept(others.get(table) ?? []), kept(found), table);
  }
  const stored = async ({ blobs }: Cellar) => {
    const all: string[] = [];
    for await (const { digest, size } of blobs.list()) all.push(`${digest} ${size}`);
    return all;
  };
  const held = (await stored(other)).filter((line) => parseDigest(line.slice(0, 64)));
  assert.deepEqual(held, await stored(one));
}
