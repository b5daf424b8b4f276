import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastSegment, percentDecoded } from '../../../server/model/address-path.ts';

test('the last part of a path is decoded once, and not at all when it is badly encoded', () => {
  assert.equal(lastSegment('/a/demo-1.0%2Blocal.zip'), 'demo-1.0+local.zip');
  assert.equal(lastSegment('/a/demo%252B.zip'), 'demo%2B.zip');
  assert.equal(lastSegment('demo.zip'), 'demo.zip');
  assert.equal(lastSegment('/a/'), '');
  assert.equal(lastSegment('/a%zz/demo.zip'), 'demo.zip', 'only that part is looked at');
  assert.equal(lastSegment('/a/demo%zz.zip'), undefined);
  assert.equal(percentDecoded('%ff'), undefined, 'no UTF-8');
});
