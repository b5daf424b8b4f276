import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { testApp } from '../support/test-app.ts';
import { makeWheel } from '../support/wheel.ts';

const DAY_MS = 24 * 3_600_000;

test('what was asked while the clock was a month ahead is asked again when it is right', async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(makeWheel({ name: 'demo', version: '1.0' }));
  const now = Date.UTC(2026, 5, 1, 12);
  const ahead = await testApp(t, { upstream: up.url, clock: new FakeClock(now + 30 * DAY_MS) });
  assert.equal((await ahead.get('/simple/demo/')).status, 200);
  assert.equal((await ahead.get('/simple/later/')).status, 404);
  await ahead.stop();
  up.project('demo').add(makeWheel({ name: 'demo', version: '2.0' }));
  up.project('later').add(makeWheel({ name: 'later', version: '1.0' }));
  const right = await testApp(t, { upstream: up.url, dataDir: ahead.dataDir, clock: new FakeClock(now) });
  assert.match(await (await right.get('/simple/demo/')).text(), /demo-2\.0/);
  assert.equal((await right.get('/simple/later/')).status, 200);
  const asked = up.requests('/simple/*');
  assert.equal((await right.get('/simple/demo/')).headers.get('cache-status'), 'stormcellar; hit');
  assert.equal(up.requests('/simple/*'), asked);
});
