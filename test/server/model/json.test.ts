import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isObject, readJson } from '../../../server/model/json.ts';

test('a document is read with or without a byte order mark; what is not JSON says nothing', () => {
  assert.deepEqual(readJson(Buffer.from('{"a":[1]}')), { a: [1] });
  assert.deepEqual(readJson(Buffer.from('\ufeff{"a":[1]}')), { a: [1] });
  assert.equal(readJson(Buffer.from('null')), null);
  assert.equal(readJson(Buffer.from('<html>')), undefined);
  assert.equal(readJson(Buffer.from('{"a":')), undefined);
});

test('a list and null are no objects', () => {
  assert.deepEqual([{}, { length: 1 }, [], null, 'text', undefined].map(isObject), [
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});
