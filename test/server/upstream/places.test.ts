import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NoPlaceError, Places } from '../../../server/upstream/places.ts';

test('places are given in order, each given back once', async () => {
  const places = new Places(1, 10);
  const order: number[] = [];
  const first = await places.take();
  const others = [1, 2, 3].map(async (number) => {
    const leave = await places.take();
    order.push(number);
    leave();
    leave();
  });
  first();
  await Promise.all(others);
  assert.deepEqual(order, [1, 2, 3]);
  const [a, waiting] = [await places.take(), places.take()];
  let taken = false;
  void waiting.then(() => {
    taken = true;
  });
  await Promise.resolve();
  assert.equal(taken, false, 'one place is one place, however often it was given back');
  a();
  await waiting;
});

test('who waits too long leaves the line, and the line has an end', async () => {
  const places = new Places(1, 1);
  const leave = await places.take();
  const patience = new AbortController();
  const waiting = places.take(patience.signal);
  await assert.rejects(places.take(), NoPlaceError);
  patience.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  const next = places.take();
  leave();
  (await next)();
  await assert.rejects(places.take(AbortSignal.abort(new Error('never'))), /never/);
});
