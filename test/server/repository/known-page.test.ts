import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DistributionFile, ProjectDetail } from '../../../server/model/distribution-file.ts';
import { parseProjectName } from '../../../server/model/project-name.ts';
import { addFromFallback, type KnownPage, mergePage } from '../../../server/repository/known-page.ts';

const name = parseProjectName('demo');
const HOUR = 3_600_000;
const file = (version: string): DistributionFile => ({
  filename: `demo-${version}-py3-none-any.whl`,
  hashes: { sha256: version },
});
const page = (...versions: string[]): ProjectDetail => ({ name, versions, files: versions.map(file) });
const judge = (now: number, ...stored: string[]) => ({
  now,
  confirmForMs: HOUR,
  stored: new Set(stored.map((version) => file(version).filename)),
});
const names = (known: KnownPage) => known.files.map((one) => one.filename.split('-')[1]);

test('a first page is kept as it is', () => {
  const { page: kept, suspectSince, empty } = mergePage(undefined, page('1', '2'), judge(0));
  assert.deepEqual(names(kept), ['1', '2']);
  assert.equal(suspectSince, undefined);
  assert.equal(empty, false);
});

test('new files count at once', () => {
  const before = mergePage(undefined, page('1'), judge(0)).page;
  assert.deepEqual(names(mergePage(before, page('1', '2'), judge(1)).page), ['1', '2']);
});

test('a 404 for a known project changes nothing until it is confirmed', () => {
  const before = mergePage(undefined, page('1', '2'), judge(0)).page;
  const held = mergePage(before, { name, absent: true }, judge(10, '1'));
  assert.deepEqual(names(held.page), ['1', '2']);
  assert.equal(held.suspectSince, 10);
  const still = mergePage(held.page, { name, absent: true }, judge(10 + HOUR - 1, '1'));
  assert.deepEqual(names(still.page), ['1', '2']);
  const believed = mergePage(still.page, { name, absent: true }, judge(10 + HOUR, '1'));
  assert.deepEqual(names(believed.page), ['1'], 'what is stored stays, what is not goes');
  assert.equal(believed.page.files[0]?.removedAt, 10);
  assert.deepEqual(believed.page.versions, ['1'], 'upstream names none any more (PEP 700)');
  assert.equal(believed.suspectSince, undefined);
  assert.equal(believed.empty, false);
});

test('a 404 takes nothing back of what the page said of the project', () => {
  const said = { status: 'deprecated', statusReason: 'use other', extra: { owner: 'acme' } } as const;
  const before = mergePage(undefined, { ...page('1'), ...said }, judge(0)).page;
  for (const now of [10, 10 + HOUR]) {
    const { status, statusReason, extra } = mergePage(before, { name, absent: true }, judge(now, '1')).page;
    assert.deepEqual({ status, statusReason, extra }, said);
  }
});

test('a confirmed 404 of a project of which nothing is stored leaves nothing', () => {
  const before = mergePage(undefined, page('1'), judge(0)).page;
  const held = mergePage(before, { name, absent: true }, judge(10)).page;
  assert.equal(mergePage(held, { name, absent: true }, judge(10 + HOUR)).empty, true);
});

test('an emptied page is held like a 404, and one release that vanishes alike', () => {
  const before = mergePage(undefined, page('1', '2'), judge(0)).page;
  assert.deepEqual(names(mergePage(before, page(), judge(10)).page), ['1', '2']);
  const held = mergePage(before, page('2'), judge(10, '1'));
  assert.deepEqual(names(held.page), ['2', '1']);
  assert.deepEqual(held.page.versions, ['2', '1']);
  const believed = mergePage(held.page, page('2'), judge(10 + HOUR, '1'));
  assert.equal(believed.page.files.find((one) => one.filename.includes('-1-'))?.removedAt, 10);
  assert.deepEqual(believed.page.versions, ['2', '1']);
});

test('what comes back is as if it had never gone', () => {
  const before = mergePage(undefined, page('1'), judge(0)).page;
  const held = mergePage(before, { name, absent: true }, judge(10, '1')).page;
  const back = mergePage(held, page('1'), judge(20, '1'));
  assert.equal(back.suspectSince, undefined);
  assert.equal(back.page.files[0]?.missingSince, undefined);
});

test('a quarantine counts at once and loses no file for the day it ends', () => {
  const before = mergePage(undefined, page('1', '2'), judge(0)).page;
  const quarantined = mergePage(before, { ...page(), status: 'quarantined' }, judge(10));
  assert.equal(quarantined.page.status, 'quarantined');
  assert.equal(quarantined.suspectSince, undefined);
  assert.deepEqual(names(quarantined.page), ['1', '2']);
  const after = mergePage(quarantined.page, { ...page('1', '2'), status: 'active' }, judge(20));
  assert.equal(after.page.status, 'active');
});

test('a fallback adds files, yanks and quarantines, and changes nothing else', () => {
  const one = { ...file('1'), uploadTime: '2026-01-01T00:00:00Z', yanked: 'broken' };
  const said = { status: 'deprecated', statusReason: 'use other' } as const;
  const whole = mergePage(undefined, { ...page('1', '2'), ...said, files: [one, file('2')] }, judge(0)).page;
  const before = mergePage(whole, { ...page('2'), ...said }, judge(10)).page;
  const answer = { ...page('2', '3'), files: [{ ...file('2'), yanked: true as const, hashes: {} }, file('3')] };
  const { page: kept, suspectSince, empty } = addFromFallback(before, answer, 10 + 2 * HOUR);
  assert.deepEqual(
    kept.files.slice(0, 2).toSorted((a, b) => (a.filename < b.filename ? -1 : 1)),
    [
      { ...one, missingSince: 10, lackedSince: 10 + 2 * HOUR },
      { ...file('2'), seenAt: 0, yanked: true },
    ],
  );
  assert.equal(kept.files[2]?.filename, file('3').filename);
  assert.deepEqual(kept.versions, ['2', '1', '3']);
  assert.deepEqual([kept.status, kept.statusReason, suspectSince, empty], ['deprecated', 'use other', 10, false]);
  const back = mergePage(kept, { ...page('2'), ...said }, judge(10 + 3 * HOUR, '1')).page;
  assert.ok(back.files.every(({ lackedSince }) => lackedSince === undefined));
  const shut = addFromFallback(before, { ...page(), status: 'quarantined', statusReason: 'malware' }, 10);
  assert.deepEqual([shut.page.status, shut.page.statusReason], ['quarantined', 'malware']);
  assert.equal(
    addFromFallback(shut.page, page('1'), 20).page.status,
    'quarantined',
    'which only the first address ends',
  );
});
