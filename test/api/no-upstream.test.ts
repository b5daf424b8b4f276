import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { makeWheel } from '../support/wheel.ts';

test('an upstream without an address is down since the first start, and none of it counts once it has one', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(makeWheel({ name: 'demo', version: '1.0' }));
  const clock = new FakeClock();
  const first = await testApp(t, { upstream: 'auto', clock });
  assert.equal((await first.get('/simple/demo/')).status, 502);
  const began = await sinceOf(first);
  await clock.advance(60_000);
  const second = await first.restart();
  assert.equal(await sinceOf(second), began);
  await second.stop();
  const third = await testApp(t, { upstream: up.url, clock, dataDir: second.dataDir });
  assert.equal((await third.get('/simple/demo/')).status, 200);
  await third.stop();
  const again = await testApp(t, { upstream: 'auto', clock, dataDir: second.dataDir });
  assert.equal((await again.get('/simple/demo/')).status, 200);
});

async function sinceOf(app: TestApp): Promise<string | undefined> {
  const ready = (await (await app.get('/readyz')).json()) as { upstreams: { breaker: string; since: string }[] };
  assert.equal(ready.upstreams[0]?.breaker, 'open');
  return ready.upstreams[0]?.since;
}
