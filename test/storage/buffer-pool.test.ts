import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BufferPool,
  giveStep,
  LONG_STEP_BYTES,
  SMALL_STEP_BYTES,
  STEP_BYTES,
  takeStep,
} from '../../storage/buffer-pool.ts';

test('buffers are used again while some are in use, and few are kept when none is', () => {
  const pool = new BufferPool({ bytes: 8, most: 3, fewest: 1 });
  const lent = Array.from({ length: 5 }, () => pool.take());
  for (const buffer of lent.slice(0, 4)) pool.give(buffer);
  const again = [pool.take(), pool.take(), pool.take()];
  assert.equal(again.filter((buffer) => lent.includes(buffer)).length, 3);
  assert.ok(!lent.includes(pool.take()), 'a fourth was not kept');
  for (const buffer of again) pool.give(buffer);
  pool.lose();
  const last = lent[4];
  if (last !== undefined) pool.give(last);
  const after = [pool.take(), pool.take()];
  assert.equal(after.filter((buffer) => again.includes(buffer)).length, 1);
});

test('what is small gets a small buffer, and what is large a long one while few have one', () => {
  const lengthsOf = (wanted: readonly number[]): number[] => {
    const buffers = wanted.map(takeStep);
    for (const buffer of buffers) giveStep(buffer);
    return buffers.map(({ length }) => length);
  };
  const sizes = [1, SMALL_STEP_BYTES, SMALL_STEP_BYTES + 1, STEP_BYTES, STEP_BYTES + 1];
  const expected = [SMALL_STEP_BYTES, SMALL_STEP_BYTES, STEP_BYTES, STEP_BYTES, LONG_STEP_BYTES];
  assert.deepEqual(lengthsOf(sizes), expected);
  const many = lengthsOf(Array.from({ length: 20 }, () => 10 * LONG_STEP_BYTES));
  assert.deepEqual(many, [...Array(4).fill(LONG_STEP_BYTES), ...Array(16).fill(STEP_BYTES)]);
  assert.deepEqual(lengthsOf(sizes), expected, 'all came back');
});
