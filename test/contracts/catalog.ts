import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { all, type Catalog, first, prepared, run, type Script } from '../../server/catalog/catalog.ts';
import { CatalogQueryError, CatalogUnavailableError } from '../../server/catalog/errors.ts';
import { sql } from '../../server/catalog/schema.ts';

const blob = (digest: string, size = 1) => ({ digest, size, stored_at: 1, doomed_at: null });
const insert = (digest: string, size?: number) => sql.insertInto('blob').values(blob(digest, size));
const sizeOf = (digest: string) => sql.selectFrom('blob').select('size').where('digest', '=', digest);
const findBlob = prepared((p: { digest: string }) => sql.selectFrom('blob').selectAll().where('digest', '=', p.digest));
const insertBlob = prepared((p: { digest: string; size: number; doomed_at: number | null }) =>
  sql.insertInto('blob').values({ digest: p.digest, size: p.size, doomed_at: p.doomed_at, stored_at: 7 }),
);

/** What every catalog promises. `make` opens one of its own, with every migration and no rows. */
export function catalogContract(
  name: string,
  make: () => Promise<Catalog>,
  options: { skip?: string | false } = {},
): void {
  describe(`${name}: what every catalog promises`, { skip: options.skip ?? false }, () => {
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

    test('what a write did is seen by the next read', async (catalog) => {
      const changed = await catalog.write(function* () {
        return yield* run(insert('a', 5));
      });
      assert.equal(changed, 1);
      const row = await catalog.read(() => first(sizeOf('a')));
      assert.deepEqual({ ...row }, { size: 5 });
      assert.equal(await catalog.read(() => first(sizeOf('b'))), undefined);
    });

    test('a script sees its own changes', async (catalog) => {
      const sizes = await catalog.write(function* () {
        yield* run(insert('a', 5));
        const before = yield* first(sizeOf('a'));
        yield* run(
          sql
            .updateTable('blob')
            .set((eb) => ({ size: eb('size', '+', 1) }))
            .where('digest', '=', 'a'),
        );
        return [before?.size, (yield* first(sizeOf('a')))?.size];
      });
      assert.deepEqual(sizes, [5, 6]);
    });

    test('an error that the script throws comes out as it is, and nothing was done', async (catalog) => {
      const mine = new Error('no');
      const failing = function* (): Script<void> {
        yield* run(insert('a'));
        throw mine;
      };
      await assert.rejects(catalog.write(failing), (error) => error === mine);
      assert.equal(await catalog.read(() => first(sizeOf('a'))), undefined);
      // biome-ignore lint/correctness/useYield: a script may fail before its first query
      const early = function* (): Script<void> {
        throw mine;
      };
      await assert.rejects(catalog.write(early), (error) => error === mine);
      await assert.rejects(catalog.read(early), (error) => error === mine);
      assert.equal(await catalog.write(() => run(insert('b'))), 1);
    });

    test('a statement that the database refuses undoes the whole script', async (catalog) => {
      await catalog.write(() => run(insert('a')));
      const twice = function* (): Script<void> {
        yield* run(insert('b'));
        yield* run(insert('a'));
      };
      await assert.rejects(catalog.write(twice), (error) => {
        assert.ok(error instanceof CatalogQueryError);
        assert.match(error.sql, /^insert into "blob"/);
        assert.ok(error.cause instanceof Error);
        return true;
      });
      assert.equal(await catalog.read(() => first(sizeOf('b'))), undefined);
      assert.equal(await catalog.write(() => run(insert('c'))), 1);
    });

    test('a script that only reads cannot write', async (catalog) => {
      await assert.rejects(
        catalog.read(() => run(insert('a'))),
        CatalogQueryError,
      );
      assert.equal(await catalog.read(() => first(sizeOf('a'))), undefined);
    });

    test('counts what it changes', async (catalog) => {
      const counts = await catalog.write(function* () {
        const inserted = yield* run(sql.insertInto('blob').values([blob('a'), blob('b'), blob('c')]));
        const again = yield* run(insert('a').onConflict((conflict) => conflict.column('digest').doNothing()));
        const updated = yield* run(sql.updateTable('blob').set({ size: 9 }).where('digest', '>', 'a'));
        const selected = yield* run(sql.selectFrom('blob').selectAll());
        const deleted = yield* run(sql.deleteFrom('blob'));
        return { inserted, again, updated, selected, deleted };
      });
      assert.deepEqual(counts, { inserted: 3, again: 0, updated: 2, selected: 0, deleted: 3 });
    });

    test('RETURNING answers the rows that were changed', async (catalog) => {
      await catalog.write(() => run(sql.insertInto('blob').values([blob('a', 1), blob('b', 2)])));
      const update = sql.updateTable('blob').set({ size: 7 }).where('digest', '=', 'b').returning(['digest', 'size']);
      const rows = await catalog.write(() => all(update));
      assert.deepEqual(
        rows.map((row) => ({ ...row })),
        [{ digest: 'b', size: 7 }],
      );
      assert.equal(await catalog.write(() => run(update)), 1);
    });

    test('an upsert may depend on the row that is there', async (catalog) => {
      const upsert = (size: number) =>
        insert('a', size).onConflict((conflict) =>
          conflict.column('digest').doUpdateSet({ size }).where('blob.size', '<', size),
        );
      const changes = await catalog.write(function* () {
        return [yield* run(upsert(5)), yield* run(upsert(3)), yield* run(upsert(8))];
      });
      assert.deepEqual(changes, [1, 0, 1]);
      assert.equal((await catalog.read(() => first(sizeOf('a'))))?.size, 8);
    });

    test('prepared statements take new values each time', async (catalog) => {
      await catalog.write(function* () {
        yield* run(insertBlob({ digest: 'a', size: 1, doomed_at: null }));
        yield* run(insertBlob({ digest: 'b', size: 2, doomed_at: 3 }));
      });
      const rows = await catalog.read(function* () {
        return [yield* first(findBlob({ digest: 'b' })), yield* first(findBlob({ digest: 'a' }))];
      });
      assert.deepEqual(
        rows.map((row) => ({ ...row })),
        [
          { digest: 'b', size: 2, stored_at: 7, doomed_at: 3 },
          { digest: 'a', size: 1, stored_at: 7, doomed_at: null },
        ],
      );
      assert.deepEqual(await catalog.read(() => all(findBlob({ digest: 'c' }))), []);
      await assert.rejects(
        catalog.read(() => all(findBlob({} as { digest: string }))),
        /without digest/,
      );
    });

    test('integers are numbers: large ones, counts and sums', async (catalog) => {
      const large = Number.MAX_SAFE_INTEGER - 1;
      await catalog.write(() => run(sql.insertInto('blob').values([blob('a', large), blob('b', 1)])));
      const row = await catalog.read(() =>
        first(
          sql
            .selectFrom('blob')
            .select((eb) => [
              eb.fn.max('size').as('max'),
              eb.fn.sum<number>('size').as('sum'),
              eb.fn.countAll<number>().as('count'),
            ]),
        ),
      );
      assert.deepEqual({ ...row }, { max: large, sum: large + 1, count: 2 });
    });

    test('a number that is no integer is refused', async (catalog) => {
      for (const size of [1.5, Number.NaN, 2 ** 60]) {
        await assert.rejects(
          catalog.write(() => run(insert('a', size))),
          TypeError,
        );
      }
      assert.equal(await catalog.read(() => first(sizeOf('a'))), undefined);
    });

    test('text is ordered and compared byte by byte, LIKE included', async (catalog) => {
      const names = ['a-b', 'a', 'Z', 'ä', 'aa', 'a_b', '中', '😀', "it's"];
      await catalog.write(() => run(sql.insertInto('blob').values(names.map((digest) => blob(digest)))));
      const rows = await catalog.read(() => all(sql.selectFrom('blob').select('digest').orderBy('digest')));
      const bytes = (text: string) => Buffer.from(text);
      const sorted = names.toSorted((one, other) => Buffer.compare(bytes(one), bytes(other)));
      assert.deepEqual(
        rows.map(({ digest }) => digest),
        sorted,
      );
      const like = await catalog.read(() => all(sql.selectFrom('blob').select('digest').where('digest', 'like', 'z%')));
      assert.deepEqual(like, []);
    });

    test('any text may be looked for and kept, a NUL and half a character included', async (catalog) => {
      for (const text of ['a\0b', '\ud800', "'; DROP TABLE blob; --", '\u202e', '']) {
        assert.equal(await catalog.read(() => first(sizeOf(text))), undefined);
        assert.equal(await catalog.write(() => run(insert(text))), 1);
        assert.equal((await catalog.read(() => first(sizeOf(text))))?.size, 1);
      }
    });

    test('takes long texts and many parameters', async (catalog) => {
      const body = 'ü'.repeat(1_000_000);
      const digests = Array.from({ length: 1000 }, (_, index) => `d${index}`);
      await catalog.write(function* () {
        yield* run(sql.insertInto('upstream_page').values({ name: 'a', repository: 'r', body }));
        yield* run(sql.insertInto('blob').values(digests.map((digest) => blob(digest))));
      });
      const page = await catalog.read(() => first(sql.selectFrom('upstream_page').select('body')));
      assert.equal(page?.body, body);
      const rows = await catalog.read(() =>
        all(sql.selectFrom('blob').select('digest').where('digest', 'in', digests)),
      );
      assert.equal(rows.length, 1000);
    });

    test('scripts run as if one after the other: no update is lost', async (catalog) => {
      await catalog.write(() => run(insert('a', 0)));
      const increment = function* (): Script<void> {
        const row = yield* first(sizeOf('a'));
        yield* run(
          sql
            .updateTable('blob')
            .set({ size: (row?.size ?? 0) + 1 })
            .where('digest', '=', 'a'),
        );
      };
      await Promise.all(Array.from({ length: 20 }, () => catalog.write(increment)));
      assert.equal((await catalog.read(() => first(sizeOf('a'))))?.size, 20);
    });

    test('scripts run as if one after the other: what one found missing, no other has added', async (catalog) => {
      const claim = (digest: string) =>
        function* (): Script<boolean> {
          const taken = yield* first(sql.selectFrom('blob').select('digest').where('size', '=', 77));
          if (taken !== undefined) return false;
          yield* run(insert(digest, 77));
          return true;
        };
      const claims = await Promise.all(Array.from({ length: 10 }, (_, index) => catalog.write(claim(`c${index}`))));
      assert.equal(claims.filter(Boolean).length, 1);
    });

    test('a row may be claimed while others claim theirs', async (catalog) => {
      const digests = Array.from({ length: 12 }, (_, index) => `d${index}`);
      await catalog.write(() => run(sql.insertInto('blob').values(digests.map((digest) => blob(digest)))));
      const claim = function* (): Script<string | undefined> {
        const free = sql.selectFrom('blob').select('digest').where('doomed_at', 'is', null).orderBy('digest').limit(1);
        const row = yield* first(free.forUpdate().skipLocked());
        if (row !== undefined)
          yield* run(sql.updateTable('blob').set({ doomed_at: 1 }).where('digest', '=', row.digest));
        return row?.digest;
      };
      const claimed = await Promise.all(digests.map(() => catalog.write(claim)));
      assert.deepEqual(claimed.toSorted(), digests.toSorted());
    });

    test('keeps working after more kinds of statements than it keeps', async (catalog) => {
      await catalog.write(() => run(insert('a', 3)));
      for (let index = 0; index < 700; index += 1) {
        const column = `c${index}`;
        const row = await catalog.read(() =>
          first(sql.selectFrom('blob').select('size as size').select(`size as ${column}`)),
        );
        assert.equal(row?.size, 3);
      }
    });

    it('says that it is closed', async () => {
      const catalog = await make();
      await Promise.all([catalog.write(() => run(insert('a'))), catalog.close()]);
      await catalog.close();
      await assert.rejects(
        catalog.read(() => first(sizeOf('a'))),
        CatalogUnavailableError,
      );
      await assert.rejects(
        catalog.write(() => run(insert('b'))),
        CatalogUnavailableError,
      );
    });
  });
}
