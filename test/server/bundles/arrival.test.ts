import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Arrival } from '../../../server/bundles/arrival.ts';

const MB = 1e6;

/** The sizes at which an archive counts as slow that comes in pieces of a megabyte at these rates, each for 50 MB. */
function slowAt(arrival: Arrival, rates: readonly number[]): number[] {
  const found: number[] = [];
  let nowMs = 5_000_000;
  let size = 0;
  for (const rate of rates) {
    for (let piece = 0; piece < 50; piece += 1) {
      size += MB;
      nowMs += 1000 / rate;
      if (arrival.isSlow(size, nowMs)) found.push(size / MB);
    }
  }
  return found;
}

test('an archive is slow that comes slower than each processor but one can look into it', () => {
  assert.deepEqual(slowAt(new Arrival(2), [70]), []);
  assert.deepEqual(slowAt(new Arrival(2), [60]), [18, 35]);
  assert.deepEqual(slowAt(new Arrival(4), [200]), []);
  assert.deepEqual(slowAt(new Arrival(4), [180]), [18, 35]);
  assert.deepEqual(slowAt(new Arrival(1), [0.1]), [], 'with one processor there is none to spare');
});

test('it may become slow, and a pause at first makes none slow', () => {
  assert.deepEqual(slowAt(new Arrival(2), [100, 10]), [52, 69, 86]);
  const arrival = new Arrival(2);
  assert.equal(arrival.isSlow(MB, 10_000), false);
  assert.equal(arrival.isSlow(18 * MB, 10_150), false);
});
