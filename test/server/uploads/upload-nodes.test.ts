import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { all } from '../../../server/catalog/catalog.ts';
import { yankRelease } from '../../../server/catalog/manage-projects.ts';
import { openPostgres } from '../../../server/catalog/postgres.ts';
import { sql } from '../../../server/catalog/schema.ts';
import { openSqlite } from '../../../server/catalog/sqlite.ts';
import type { ProjectName } from '../../../server/model/project-name.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { MIGRATIONS_DIR } from '../../support/test-catalog.ts';
import { startTestPostgres, type TestPostgres } from '../../support/test-postgres.ts';
import { type TestUploads, testUploads } from '../../support/test-uploads.ts';
import { makeSdist, makeWheel } from '../../support/wheel.ts';

type Ends = { after(fn: () => Promise<void>): void };

/** Several nodes over one catalog and one store upload at the same time. */
function races(nodesOf: (t: Ends) => Promise<readonly TestUploads[]>): void {
  it('a name is won by one, whole', async (t) => {
    const nodes = await nodesOf(t);
    for (let round = 0; round < 5; round++) {
      const version = `1.${round}`;
      const rivals = Array.from({ length: 6 }, (_, i) =>
        makeWheel({ name: 'demo', version, description: `${round} ${i}` }),
      );
      const outcomes = await Promise.allSettled(rivals.map((rival, i) => nodes[i % nodes.length]?.publish(rival)));
      const won = rivals.filter((_, i) => outcomes[i]?.status === 'fulfilled');
      const reasons = outcomes.flatMap((outcome) =>
        outcome.status === 'rejected' ? [outcome.reason.slug ?? outcome.reason] : [],
      );
      assert.deepEqual(reasons, Array(5).fill('file-exists'));
      for (const { page, blobs } of nodes) {
        const listed = (await page('demo'))?.files.find((file) => file.filename === won[0]?.filename);
        assert.equal(listed?.hashes.sha256, won[0]?.sha256);
        assert.ok(won[0] && (await blobs.stat(won[0].sha256)));
      }
    }
  });

  it('files of one project and release do not get in each other’s way', async (t) => {
    const nodes = await nodesOf(t);
    const [first] = nodes;
    assert.ok(first);
    const files = ['1', '1.0', '1.0.0'].flatMap((version) => [
      makeSdist({ name: 'demo', version }),
      makeWheel({ name: 'demo', version, tag: 'py2-none-any' }),
      makeWheel({ name: 'demo', version, tag: 'py3-none-any' }),
    ]);
    const outcomes = await Promise.all(files.map((file, i) => nodes[i % nodes.length]?.publish(file)));
    assert.deepEqual(outcomes, Array(9).fill('published'));
    const page = await first.page('demo');
    assert.equal(page?.files.length, 9);
    assert.equal(page.versions.length, 1);
    const [project] = await first.catalog.read(() => all(sql.selectFrom('project').select('revision')));
    assert.equal(project?.revision, 9);
    const change = { repository: 'local', project: 'demo' as ProjectName, actor: { name: 'a' }, at: 1 };
    await first.catalog.write(() => yankRelease(change, '1.0', 'why'));
    assert.ok((await first.page('demo'))?.files.every((file) => file.yanked === 'why'));
  });
}

async function over(t: Ends, catalogs: readonly Awaited<ReturnType<typeof openSqlite>>[]): Promise<TestUploads[]> {
  const blobs = new MemoryStore();
  for (const catalog of catalogs) t.after(() => catalog.close());
  return await Promise.all(catalogs.map((catalog) => testUploads(t, { catalog, blobs })));
}

describe('uploads of two nodes on one SQLite file', () => {
  races(async (t) => {
    const options = { path: `${await tempDir(t)}/catalog.sqlite`, migrationsDir: MIGRATIONS_DIR };
    return await over(t, [await openSqlite(options), await openSqlite(options)]);
  });
});

const postgres: TestPostgres = await startTestPostgres();

describe('uploads of two nodes on one PostgreSQL database', { skip: postgres.skip }, () => {
  after(() => postgres.stop());
  races(async (t) => {
    const options = { url: await postgres.database(), migrationsDir: MIGRATIONS_DIR };
    return await over(t, [await openPostgres(options), await openPostgres(options)]);
  });
});
