import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testApp } from '../support/test-app.ts';

test('builders that share an address and a revoked token are told to mend it (401), not to come again later', async (t) => {
  const app = await testApp(t);
  const headers = { authorization: 'Bearer sc_revoked' };
  const statuses = new Set<number>();
  for (let builder = 0; builder < 100; builder += 1) {
    const answer = await app.get('/simple/', { headers });
    await answer.body?.cancel();
    statuses.add(answer.status);
  }
  assert.deepEqual([...statuses], [401]);
});
