import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Gate } from '../../../server/mirroring/gate.ts';

test('so many are inside at a time; who leaves early lets the next in, once', async () => {
  const gate = new Gate(2);
  const inside: number[] = [];
  const ends = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const leaves: (() => void)[] = [];
  const all = ends.map(({ promise }, at) =>
    gate.run(async (leave) => {
      inside.push(at);
      leaves[at] = leave;
      await promise;
      return at;
    }),
  );
  await turn();
  assert.deepEqual(inside, [0, 1]);
  leaves[0]?.();
  leaves[0]?.();
  await turn();
  assert.deepEqual(inside, [0, 1, 2]);
  // That it ends later lets nobody in a second time.
  ends[0]?.resolve();
  await turn();
  assert.deepEqual(inside, [0, 1, 2]);
  ends[1]?.resolve();
  await turn();
  assert.deepEqual(inside, [0, 1, 2, 3]);
  for (const { resolve } of ends) resolve();
  assert.deepEqual(await Promise.all(all), [0, 1, 2, 3, 4]);
  await assert.rejects(
    gate.run(() => Promise.reject(new Error('not today'))),
    /not today/,
  );
  assert.equal(await gate.run(async () => 'in'), 'in');
});
