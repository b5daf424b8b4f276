import assert from 'node:assert/strict';
import { test } from 'node:test';
import { multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { testApp } from '../support/test-app.ts';
import { makeWheel } from '../support/wheel.ts';

test('a repository that was renamed in the configuration is told of at the start, and is there again under its old name', async (t) => {
  const named = (...names: readonly string[]) => ({
    repositories: Object.fromEntries(names.map((name) => [name, { kind: 'hosted' }])),
    indexes: { main: { repositories: names } },
  });
  const first = await testApp(t, { config: named('local', 'other') });
  const { dataDir } = first;
  for (const version of ['1.0', '2.0']) {
    const body = multipart(partsOf(makeWheel({ name: 'mine', version })));
    const answer = await first.admin('/legacy/', { method: 'POST', headers: multipartHeaders(body), body });
    assert.equal(answer.status, 200, await answer.text());
  }
  await first.stop();
  const warned = ({ logged }: { readonly logged: readonly Record<string, unknown>[] }) =>
    logged
      .filter(({ msg }) => /the configuration does not name/.test(String(msg)))
      .map(({ level, repository, files }) => [level, repository, files]);
  const renamed = await testApp(t, { dataDir, config: named('internal', 'other') });
  assert.deepEqual(warned(renamed), [[40, 'local', 2]]);
  assert.equal((await renamed.get('/simple/mine/')).status, 404);
  await renamed.stop();
  const again = await testApp(t, { dataDir, config: named('local') });
  assert.deepEqual(warned(again), []);
  assert.equal((await again.get('/simple/mine/')).status, 200);
});
