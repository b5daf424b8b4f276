import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Arrival } from '../../../server/bundles/arrival.ts';

const MB = 1e6;

/** The sizes at which an archive may be followed that comes in pieces of a megabyte at these rates, each for 50 MB. */
function followedAt(arrival: Arrival, rates: readonly number[]): number[] {
  const found: number[] = [];
  let nowMs = 5_000_000;
  let size = 0;
  for (const rate of rates) {
    for (let piece = 0; piece < 50; piece += 1) {
      size += MB;
      nowMs += 1000 / rate;
      if (arrival.mayBeFollowed(size, nowMs)) found.push(size / MB);
    }
  }
  return found;
}

test('an archive is slow that comes slower than each processor but one can look into it', () => {
  assert.deepEqual(followedAt(new Arrival(0, 2), [70]), []);
  assert.deepEqual(followedAt(new Arrival(0, 2), [60]), [18, 35]);
  assert.deepEqual(followedAt(new Arrival(0, 4), [200]), []);
  assert.deepEqual(followedAt(new Arrival(0, 4), [180]), [18, 35]);
  assert.deepEqual(followedAt(new Arrival(0, 1), [0.1]), [], 'with one processor there is none to spare');
});

test('it may become slow, and a pause at first makes none slow', () => {
  assert.deepEqual(followedAt(new Arrival(0, 2), [100, 10]), [52, 69, 86]);
  const arrival = new Arrival(0, 2);
  assert.equal(arrival.mayBeFollowed(MB, 10_000), false);
  assert.equal(arrival.mayBeFollowed(18 * MB, 10_150), false);
});

test('one that comes fast is looked into when much of it is there, unless there is one processor', () => {
  assert.deepEqual(followedAt(new Arrival(50 * MB, 2), [500]).slice(0, 2), [20, 21]);
  assert.deepEqual(followedAt(new Arrival(50 * MB, 1), [500]), []);
});
