import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowsRange, matchesEtag } from '../../../server/http/conditional.ts';
import { parseIndexPath, parseInstant } from '../../../server/http/index-path.ts';
import { parseRange } from '../../../server/http/range.ts';
import { takesGzip } from '../../../server/http/send-page.ts';
import { Problem } from '../../../server/problem.ts';

test('ranges (RFC 9110, 14.2; protocol trap 11)', () => {
  const cases: [string | undefined, number, unknown][] = [
    [undefined, 10, 'whole'],
    ['bytes=0-3', 10, { start: 0, end: 3 }],
    ['bytes=4-', 10, { start: 4, end: 9 }],
    ['bytes=4-400', 10, { start: 4, end: 9 }],
    ['bytes=-4', 10, { start: 6, end: 9 }],
    ['bytes=-10000', 10, { start: 0, end: 9 }],
    ['bytes=9-9', 10, { start: 9, end: 9 }],
    ['bytes=10-', 10, 'unsatisfiable'],
    ['bytes=-0', 10, 'unsatisfiable'],
    ['bytes=-5', 0, 'unsatisfiable'],
    ['bytes=5-4', 10, 'whole'],
    ['bytes=0-1,3-4', 10, 'whole'],
    ['bytes=-', 10, 'whole'],
    ['lines=0-3', 10, 'whole'],
    ['Bytes=0-3', 10, { start: 0, end: 3 }],
    ['bytes=99999999999999999999-', 10, 'unsatisfiable'],
    ['bytes=4-99999999999999999999', 10, { start: 4, end: 9 }],
  ];
  for (const [header, size, expected] of cases)
    assert.deepEqual(parseRange(header, size), expected, `${header} of ${size}`);
});

test('If-None-Match compares weakly and takes lists', () => {
  assert.ok(matchesEtag('"a"', '"a"'));
  assert.ok(matchesEtag('W/"a"', '"a"'));
  assert.ok(matchesEtag('"b", "a"', '"a"'));
  assert.ok(matchesEtag('*', '"a"'));
  assert.ok(!matchesEtag('"b"', '"a"'));
  assert.ok(!matchesEtag(undefined, '"a"'));
});

test('If-Range compares strongly', () => {
  assert.ok(allowsRange(undefined, '"a"', 0));
  assert.ok(allowsRange('"a"', '"a"', 0));
  assert.ok(!allowsRange('W/"a"', '"a"', 0));
  assert.ok(!allowsRange('"b"', '"a"', 0));
  assert.ok(allowsRange('Thu, 01 Jan 2026 00:00:00 GMT', undefined, Date.UTC(2026, 0, 1)));
  assert.ok(!allowsRange('Thu, 01 Jan 2025 00:00:00 GMT', undefined, Date.UTC(2026, 0, 1)));
});

test('gzip only for those who take it', () => {
  for (const yes of ['gzip', 'gzip, deflate', 'deflate,gzip;q=0.5', '*', 'br, gzip, zstd', '*;q=0, gzip'])
    assert.ok(takesGzip(yes), yes);
  for (const no of [undefined, '', 'identity', 'gzip;q=0', 'br', 'xgzip', 'deflate', '*, gzip;q=0'])
    assert.ok(!takesGzip(no), String(no));
});

test('addresses of an index', () => {
  const at = Date.parse('2026-01-31T23:59:59.999Z');
  assert.deepEqual(parseIndexPath('/simple/demo/'), {
    index: undefined,
    view: { offline: false },
    rest: ['simple', 'demo'],
    endsInSlash: true,
  });
  assert.deepEqual(parseIndexPath('/index/team/at/2026-01-31/offline/simple/'), {
    index: 'team',
    view: { offline: true, at },
    rest: ['simple'],
    endsInSlash: true,
  });
  assert.deepEqual(parseIndexPath('/simple//demo/').rest, ['simple', 'demo']);
  assert.equal(parseIndexPath('/simple/demo/a-1%212.0%2Bcpu.whl').rest[2], 'a-1!2.0+cpu.whl');
  assert.equal(parseIndexPath('/simple/demo/a-1%25212.0.whl').rest[2], 'a-1%212.0.whl', 'decoded once');
});

test('evil addresses are refused, not interpreted', () => {
  for (const path of [
    '/simple/..%2f..%2fetc/',
    '/simple/%2e%2e/x',
    '/simple/a%5Cb/',
    '/simple/a%00/',
    '/simple/a%0d%0aX: y/',
    '/simple/%zz/',
    '/simple/a%2fb/',
  ]) {
    assert.throws(() => parseIndexPath(path), Problem, path);
  }
});

test('instants', () => {
  assert.equal(parseInstant('2026-01-31T10:00:00Z'), Date.UTC(2026, 0, 31, 10));
  assert.equal(parseInstant('2026-01-31T10:00:00.5+01:00'), Date.UTC(2026, 0, 31, 9, 0, 0, 500));
  assert.equal(parseInstant('2024-02-29'), Date.UTC(2024, 1, 29, 23, 59, 59, 999));
  for (const bad of [
    'yesterday',
    '2026-13-01',
    '2026-01-31T10:00:00',
    '2026',
    '',
    '2026-02-30',
    '2026-02-29T00:00:00Z',
    '2026-01-31T24:00:00Z',
  ])
    assert.throws(() => parseInstant(bad), Problem, bad);
});
