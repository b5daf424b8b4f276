import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { testApp } from '../support/test-app.ts';

interface View {
  readonly name: string;
  readonly breaker: string;
  readonly lastSuccess: string | null;
  readonly lastError: string | null;
}

test('the state of an upstream has every member at any time, null for what never was', async (t) => {
  const up = await fakeUpstream(t);
  const app = await testApp(t, { upstream: up.url });
  const view = async () => {
    const { upstreams } = (await (await app.admin('/admin/upstreams')).json()) as { upstreams: View[] };
    return upstreams.map(({ name, breaker, lastSuccess, lastError }) => [
      name,
      breaker,
      lastSuccess === null,
      lastError,
    ]);
  };
  assert.deepEqual(await view(), [['pypi', 'closed', true, null]]);

  assert.equal((await app.get('/simple/nothing/')).status, 404);
  assert.deepEqual(await view(), [['pypi', 'closed', false, null]]);

  await up.refuse();
  assert.equal((await app.get('/simple/unknown/')).status, 502);
  const [[, , , lastError] = []] = await view();
  assert.equal(lastError, 'connection refused');
});
