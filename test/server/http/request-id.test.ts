import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestIds } from '../../../server/http/request-id.ts';

test('request ids have the form of a UUID, and no two are the same', () => {
  const [here, there] = [requestIds(), requestIds()];
  const ids = Array.from({ length: 1000 }, () => [here(), there()]).flat();
  assert.equal(new Set(ids).size, 2000);
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
