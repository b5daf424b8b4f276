import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { all } from '../../../server/catalog/catalog.ts';
import { CatalogUnavailableError } from '../../../server/catalog/errors.ts';
import { listEvents } from '../../../server/catalog/events.ts';
import { sql } from '../../../server/catalog/schema.ts';
import { StorageFullError } from '../../../storage/errors.ts';
import { failOnce, faulty } from '../../support/faulty.ts';
import { testCatalog } from '../../support/test-catalog.ts';
import { testUploads } from '../../support/test-uploads.ts';
import { makeSdist, makeWheel, sha256Of } from '../../support/wheel.ts';

const WHEEL = makeWheel({ name: 'Demo_Pkg', version: '1.0', requiresPython: '>=3.9' });
const OTHER = makeWheel({ name: 'Demo_Pkg', version: '1.0', description: 'other bytes' });

describe('an upload', () => {
  it('is on the page, right in every detail, when it is done', async (t) => {
    const { publish, page, blobs, clock, leftovers } = await testUploads(t);
    assert.equal(await page('demo-pkg'), undefined);
    assert.equal(await publish(WHEEL), 'published');
    assert.deepEqual(await page('demo-pkg'), {
      name: 'demo-pkg',
      status: 'active',
      versions: ['1.0'],
      files: [
        {
          filename: 'demo_pkg-1.0-py3-none-any.whl',
          hashes: { sha256: WHEEL.sha256 },
          requiresPython: '>=3.9',
          size: WHEEL.bytes.length,
          uploadTime: clock.now().toISOString(),
          coreMetadata: { sha256: sha256Of(WHEEL.metadata) },
        },
      ],
    });
    assert.deepEqual(await blobs.stat(WHEEL.sha256), { digest: WHEEL.sha256, size: WHEEL.bytes.length });
    assert.ok(await blobs.stat(sha256Of(WHEEL.metadata)));
    assert.deepEqual(await leftovers(), []);
  });

  it('of an sdist announces no core metadata', async (t) => {
    const { publish, page } = await testUploads(t);
    await publish(makeSdist({ name: 'demo', version: '1.0' }));
    assert.equal((await page('demo'))?.files[0]?.coreMetadata, undefined);
  });

  it('of the same bytes again changes nothing', async (t) => {
    const { publish, page, clock, catalog } = await testUploads(t);
    await publish(WHEEL);
    const before = await page('demo-pkg');
    const project = await catalog.read(() => all(sql.selectFrom('project').selectAll()));
    await clock.advance(1000);
    assert.equal(await publish(WHEEL), 'unchanged');
    assert.deepEqual(await page('demo-pkg'), before);
    assert.deepEqual(await catalog.read(() => all(sql.selectFrom('project').selectAll())), project);
    assert.equal((await catalog.read(() => listEvents({ limit: 10 }))).length, 1);
  });

  it('of the same bytes again brings back what the store has lost', async (t) => {
    const { publish, blobs } = await testUploads(t);
    await publish(WHEEL);
    const metadata = sha256Of(WHEEL.metadata);
    await Promise.all([blobs.delete(WHEEL.sha256), blobs.delete(metadata)]);
    assert.equal(await publish(WHEEL), 'unchanged');
    assert.equal((await blobs.stat(WHEEL.sha256))?.size, WHEEL.bytes.length);
    assert.equal((await blobs.stat(metadata))?.size, WHEEL.metadata.length);
  });

  it('of other bytes under the same name is refused', async (t) => {
    const { publish, page, blobs } = await testUploads(t);
    await publish(WHEEL);
    const before = await page('demo-pkg');
    await assert.rejects(publish(OTHER), { slug: 'file-exists', status: 409 });
    assert.deepEqual(await page('demo-pkg'), before);
    assert.equal(await blobs.stat(OTHER.sha256), undefined);
  });

  it('takes what it says from the file, not from the form', async (t) => {
    const { publish, page } = await testUploads(t);
    const lies = { requires_python: '>=2', requires_dist: 'evil', name: 'demo.pkg', description: 'x' };
    await publish(WHEEL, lies);
    assert.equal((await page('demo-pkg'))?.files[0]?.requiresPython, '>=3.9');
    assert.ok(!JSON.stringify(await page('demo-pkg')).includes('evil'));
  });

  it('is refused when a digest does not fit, and nothing is kept', async (t) => {
    const { publish, page, blobs } = await testUploads(t);
    await assert.rejects(publish(WHEEL, { sha256_digest: 'a'.repeat(64) }), { slug: 'digest-mismatch' });
    assert.equal(await page('demo-pkg'), undefined);
    assert.equal(blobs.size, 0);
  });

  it('of 1.0 and of 1.0.0 is of one release', async (t) => {
    const { publish, page } = await testUploads(t);
    await publish(makeWheel({ name: 'demo', version: '1.0' }));
    await publish(makeSdist({ name: 'demo', version: '1.0.0' }));
    await publish(makeWheel({ name: 'demo', version: '1.0.1' }));
    const found = await page('demo');
    assert.deepEqual(found?.versions, ['1.0', '1.0.1']);
    assert.deepEqual(
      found.files.map((file) => file.filename),
      ['demo-1.0-py3-none-any.whl', 'demo-1.0.0.tar.gz', 'demo-1.0.1-py3-none-any.whl'],
    );
  });

  it('is in the audit trail, and the project bears the name of the latest', async (t) => {
    const { publish, catalog, clock } = await testUploads(t);
    await publish(WHEEL);
    await publish(makeWheel({ name: 'demo.PKG', version: '2.0' }));
    const [event] = await catalog.read(() => listEvents({ limit: 1 }));
    assert.equal(event?.kind, 'upload');
    assert.equal(event.by, 'ci');
    assert.equal(event.address, '127.0.0.1');
    assert.equal(event.subject, 'project/demo-pkg');
    assert.equal(event.at, clock.nowMs());
    const [row] = await catalog.read(() => all(sql.selectFrom('project').select(['display_name', 'revision'])));
    assert.deepEqual(row, { display_name: 'demo.PKG', revision: 2 });
  });

  it('wins or loses a race as a whole', async (t) => {
    const { publish, page, blobs } = await testUploads(t);
    const rivals = Array.from({ length: 8 }, (_, i) =>
      makeWheel({ name: 'demo', version: '1.0', description: `${i}` }),
    );
    const outcomes = await Promise.allSettled(rivals.map((rival) => publish(rival)));
    const won = rivals.filter((_, i) => outcomes[i]?.status === 'fulfilled');
    assert.equal(won.length, 1);
    const files = (await page('demo'))?.files;
    assert.deepEqual(
      files?.map((file) => file.hashes.sha256),
      [won[0]?.sha256],
    );
    assert.ok(await blobs.stat(won[0]?.sha256 ?? sha256Of('')));
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') assert.equal(outcome.reason.slug, 'file-exists');
    }
  });

  it('of the same bytes eight times at once is one file', async (t) => {
    const { publish, page } = await testUploads(t);
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => publish(WHEEL)));
    assert.equal(outcomes.filter((outcome) => outcome === 'published').length, 1);
    assert.equal((await page('demo-pkg'))?.files.length, 1);
  });

  it('changes nothing when the store is full, and goes through later', async (t) => {
    const { publish, page, leftovers } = await testUploads(t, {
      store: (real) => faulty(real, { put: failOnce(new StorageFullError('full')) }),
    });
    await assert.rejects(publish(WHEEL), StorageFullError);
    assert.equal(await page('demo-pkg'), undefined);
    assert.deepEqual(await leftovers(), []);
    assert.equal(await publish(WHEEL), 'published');
  });

  it('changes nothing when the catalog fails at any of its steps', async (t) => {
    const real = await testCatalog(t);
    for (let step = 0; step < 5; step++) {
      let left = step;
      const failing = (): void => {
        if (left-- === 0) throw new CatalogUnavailableError('gone');
      };
      const catalog = faulty(real, { write: failing, read: failing });
      const { publish, leftovers } = await testUploads(t, { catalog });
      const wheel = makeWheel({ name: `demo${step}`, version: '1.0' });
      const outcome = await publish(wheel).catch((error: unknown) => error);
      const rows = await real.read(() => all(sql.selectFrom('file').selectAll().where('project', '=', `demo${step}`)));
      if (outcome === 'published') assert.equal(rows.length, 1);
      else {
        assert.ok(outcome instanceof CatalogUnavailableError);
        assert.deepEqual(rows, []);
      }
      assert.deepEqual(await leftovers(), []);
    }
  });
});
