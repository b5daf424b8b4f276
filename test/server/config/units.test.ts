import assert from 'node:assert/strict';
import { test } from 'node:test';
import { duration, parseDuration, parseSize, size } from '../../../server/config/units.ts';

test('durations are read with their unit', () => {
  const cases: readonly [string, number | undefined][] = [
    ['250ms', 250],
    ['30s', 30_000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['0s', 0],
    ['10', undefined],
    ['10 m', undefined],
    ['10min', undefined],
    ['-1s', undefined],
    ['1e3s', undefined],
    ['', undefined],
  ];
  for (const [text, ms] of cases) assert.equal(parseDuration(text), ms, text);
});

test('sizes are read with their unit, by thousands and by 1024', () => {
  const cases: readonly [string, number | undefined][] = [
    ['0B', 0],
    ['1KB', 1000],
    ['1KiB', 1024],
    ['1.5MiB', 1_572_864],
    ['2GB', 2e9],
    ['2GiB', 2 ** 31],
    ['1TiB', 2 ** 40],
    ['2G', undefined],
    ['2gib', undefined],
    ['2', undefined],
    ['10m', undefined],
  ];
  for (const [text, bytes] of cases) assert.equal(parseSize(text), bytes, text);
});

test('a size may be a plain number of bytes, a duration may not be a plain number', () => {
  assert.equal(size().parse(4096), 4096);
  assert.equal(size().safeParse(-1).success, false);
  assert.equal(size().safeParse(1.5).success, false);
  assert.equal(duration().safeParse(10).success, false);
});

test('a duration stays within its bounds and within what a timer can hold', () => {
  assert.equal(duration({ least: '1s' }).safeParse('999ms').success, false);
  assert.equal(duration({ most: '1m' }).safeParse('61s').success, false);
  assert.equal(duration().safeParse('25d').success, false);
  assert.equal(duration({ most: '3650d' }).parse('30d'), 2_592_000_000);
});
