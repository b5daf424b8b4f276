import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LockComparisons } from '../../../server/bundles/lock-comparisons.ts';
import {
  type BundleVersion,
  parseAppName,
  parseBundleFilename,
  parseBundleVersionText,
} from '../../../server/model/bundle.ts';
import { digestOf } from '../../support/spooled.ts';

const CLICK = { name: 'click', version: '8.1', path: 'click-8.1.dist-info' };

function versionOf(archive: string, distributions: BundleVersion['contents']['distributions']): BundleVersion {
  return {
    app: parseAppName('myapp'),
    version: parseBundleVersionText('1.0'),
    filename: parseBundleFilename('myapp.tar'),
    digest: digestOf(archive),
    contents: distributions === null ? { distributions, note: 'pending' } : { distributions },
  } as BundleVersion;
}

/** A reader that counts how often it reads. */
function counting(pins: number): { read: () => { name: string; version: string }[]; times: () => number } {
  let times = 0;
  const all = Array.from({ length: pins }, (_, at) => ({ name: `p${at}`, version: '1.0' }));
  return {
    read: () => {
      times += 1;
      return all;
    },
    times: () => times,
  };
}

const lock = { name: 'uv.lock', digest: digestOf('a lock'), body: 'a lock' };

test('an archive is compared with its lock once, as soon as its contents are known', () => {
  const reader = counting(2);
  const comparisons = new LockComparisons(reader.read);
  assert.equal(comparisons.of(versionOf('a', null), lock), undefined);
  assert.equal(reader.times(), 0);
  const first = comparisons.of(versionOf('a', [CLICK]), lock);
  assert.deepEqual(first?.notInLock, [{ name: 'click', version: '8.1' }]);
  assert.equal(first?.notInBundle.length, 2);
  assert.deepEqual(comparisons.of(versionOf('a', [CLICK]), lock), first);
  assert.equal(reader.times(), 1);
  assert.deepEqual(comparisons.of(versionOf('b', []), lock)?.notInLock, []);
  assert.equal(comparisons.of(versionOf('b', []), { ...lock, digest: digestOf('another') })?.notInBundle.length, 2);
  assert.equal(reader.times(), 3);
});

test('a lock that names more than any application has is not compared, and not read again each time', () => {
  const reader = counting(50_001);
  const comparisons = new LockComparisons(reader.read);
  for (let looks = 0; looks < 3; looks += 1) assert.equal(comparisons.of(versionOf('a', [CLICK]), lock), undefined);
  assert.equal(reader.times(), 1);
});
