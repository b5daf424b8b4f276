import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillContents, readContentsLater } from '../../../server/catalog/bundle-contents.ts';
import { findVersion, publishVersion } from '../../../server/catalog/bundles.ts';
import { JobFeed } from '../../../server/jobs/job-feed.ts';
import { Jobs } from '../../../server/jobs/jobs.ts';
import {
  areBeingRead,
  areUnread,
  BEING_READ,
  type BundleVersion,
  parseAppName,
  parseBundleFilename,
  parseBundleVersionText,
  READING_CANCELLED,
} from '../../../server/model/bundle.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { digestOf } from '../../support/spooled.ts';
import { testCatalog } from '../../support/test-catalog.ts';

test('a version whose reading is given up says so, until somebody reads it nevertheless', async (t) => {
  const catalog = await testCatalog(t, { always: 'in memory' });
  const clock = new FakeClock();
  const jobs = new Jobs({ catalog, clock, feed: new JobFeed({ catalog, clock }), wake: () => {} });
  const version: BundleVersion = {
    app: parseAppName('myapp'),
    version: parseBundleVersionText('1'),
    filename: parseBundleFilename('myapp-1.tar.gz'),
    digest: digestOf('bytes'),
    size: 5,
    contentType: 'application/gzip',
    createdAt: clock.nowMs(),
    createdBy: 'ci',
    prerelease: false,
    contents: BEING_READ,
  };
  await catalog.write(function* () {
    yield* publishVersion(version, { actor: { name: 'ci' } });
    yield* readContentsLater(version, 'ci');
  });
  const contents = async () => (await catalog.read(() => findVersion(version.app, version.version)))?.contents;
  const [job] = await jobs.list({ limit: 1 });

  await jobs.cancel(job?.id ?? '', { name: 'admin' });

  const given = await contents();
  assert.deepEqual(given, READING_CANCELLED);
  assert.deepEqual([areBeingRead(READING_CANCELLED), areUnread(READING_CANCELLED)], [false, true]);
  // The node that received it was reading it all the while, or the same bytes came again.
  assert.equal(await catalog.write(() => fillContents(version, { distributions: [] })), true);
  assert.deepEqual(await contents(), { distributions: [] });
});
