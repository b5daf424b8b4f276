import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { makeWheel } from '../support/wheel.ts';

const MINUTE = 60_000;
const ONE = makeWheel({ name: 'demo', version: '1.0' });
const TWO = makeWheel({ name: 'demo', version: '2.0' });

async function versions(app: TestApp): Promise<readonly string[]> {
  const headers = { accept: 'application/vnd.pypi.simple.v1+json' };
  const page = (await (await app.get('/simple/demo/', { headers })).json()) as {
    files: { filename: string; yanked?: unknown }[];
  };
  return page.files.map(({ filename, yanked }) => `${filename.split('-')[1]}${yanked === undefined ? '' : ' yanked'}`);
}

for (const [what, status] of [
  ['a yank', undefined],
  ['a quarantine', 'quarantined'],
] as const) {
  test(`an edge of the upstream that is behind takes back neither a release nor ${what}`, async (t) => {
    const up = await fakeUpstream(t, { serials: true });
    const project = up.project('demo').add(ONE);
    const older = project.snapshot();
    project.add(TWO);
    if (status === undefined) project.add(ONE, { yanked: 'broken' });
    else project.mark(status);
    const clock = new FakeClock();
    const app = await testApp(t, { upstream: up.url, clock });
    const newest = status === undefined ? ['1.0 yanked', '2.0'] : [];
    assert.deepEqual((await versions(app)).toSorted(), newest);

    up.order('/simple/demo/', { page: older });
    await clock.advance(11 * MINUTE);
    assert.deepEqual((await versions(app)).toSorted(), newest);
    const again = await app.restart();
    await clock.advance(11 * MINUTE);
    assert.deepEqual((await versions(again)).toSorted(), newest);

    up.order('/simple/demo/');
    project.add(makeWheel({ name: 'demo', version: '3.0' }));
    await clock.advance(11 * MINUTE);
    assert.deepEqual((await versions(again)).toSorted(), status === undefined ? [...newest, '3.0'] : []);
  });
}

test('an upstream that stays behind is another one by now, and is believed', async (t) => {
  const up = await fakeUpstream(t, { serials: true });
  const project = up.project('demo').add(ONE);
  const other = project.snapshot();
  project.add(ONE, { yanked: true });
  const clock = new FakeClock();
  const app = await testApp(t, { upstream: up.url, clock });
  assert.deepEqual(await versions(app), ['1.0 yanked']);
  up.order('/simple/demo/', { page: other });
  for (let minutes = 0; minutes < 55; minutes += 11) {
    await clock.advance(11 * MINUTE);
    assert.deepEqual(await versions(app), ['1.0 yanked'], `after ${minutes + 11} minutes`);
  }
  await clock.advance(20 * MINUTE);
  assert.deepEqual(await versions(app), ['1.0']);
});
