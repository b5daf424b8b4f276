import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  compareVersions,
  isPrerelease,
  normaliseVersion,
  parseVersion,
  sortVersions,
  versionKey,
  versionOrderKey,
} from '../../../server/model/version.ts';
import { cpuMs } from '../../support/cpu-time.ts';
import { pythonJudge } from '../../support/python.ts';

const ASCENDING = [
  '1.dev0',
  '1.0.dev456',
  '1.0a1',
  '1.0a2.dev456',
  '1.0a12.dev456',
  '1.0a12',
  '1.0b1.dev456',
  '1.0b2',
  '1.0b2.post345.dev456',
  '1.0b2.post345',
  '1.0rc1.dev456',
  '1.0rc1',
  '1.0',
  '1.0+abc.5',
  '1.0+abc.7',
  '1.0+5',
  '1.0.post456.dev34',
  '1.0.post456',
  '1.0.15',
  '1.1.dev1',
  '1!0.1',
];

const SPELLINGS: readonly (readonly [string, string])[] = [
  [' v1.0\n', '1.0'],
  ['1.0-ALPHA_1', '1.0a1'],
  ['1.0a', '1.0a0'],
  ['1.0.dev', '1.0.dev0'],
  ['1.0-1', '1.0.post1'],
  ['1.0-r4', '1.0.post4'],
  ['1.0.preview', '1.0rc0'],
  ['1.0c1', '1.0rc1'],
  ['001.002', '1.2'],
  ['1.0+Ubuntu-1_02', '1.0+ubuntu.1.2'],
  ['0!1.0', '1.0'],
  ['1!2.0+cpu.1', '1!2.0+cpu.1'],
  ['1.0+1e5', '1.0+1e5'],
  ['1.0+0x1f', '1.0+0x1f'],
  ['20231231235959999999', '20231231235959999999'],
  ['2.0.post99999999999999999999', '2.0.post99999999999999999999'],
];

const INVALID = [
  '',
  '2004d',
  '1.0-',
  '1..0',
  'latest',
  '1.0+',
  '1.0+_',
  '-1',
  '1.0 2',
  '1.0\u0000',
  '１.0',
  '1.0.dev1.dev2',
];

const arbitraryText = fc
  .tuple(
    fc.constantFrom('', '', '', '0!', '1!', '2!'),
    fc.array(fc.constantFrom('0', '0', '1', '2', '10', '007', '99999999999999999998', '99999999999999999999'), {
      minLength: 1,
      maxLength: 4,
    }),
    fc.constantFrom('', '', 'a1', '.beta-2', '_rc', 'c10', '-pre0', 'preview9007199254740993'),
    fc.constantFrom('', '', '-1', '.post2', 'rev', '_r10', '.post'),
    fc.constantFrom('', '', '.dev', 'dev1', '-DEV_10'),
    fc.constantFrom('', '', '+abc', '+1', '+abc.1', '+1.abc', '+10', '+1e2', '+ABC-2_0'),
  )
  .map(([epoch, release, pre, post, dev, local]) => `${epoch}${release.join('.')}${pre}${post}${dev}${local}`);

describe('versions', () => {
  test('are normalised as PEP 440 says', () => {
    for (const [text, normal] of SPELLINGS) assert.equal(normaliseVersion(text), normal, JSON.stringify(text));
    for (const text of INVALID) assert.equal(normaliseVersion(text), undefined, JSON.stringify(text));
  });

  test('have one key however many zeros end the release', () => {
    for (const text of ['1', '1.0', 'v1.0.0', '01.0']) assert.equal(versionKey(text), '1');
    assert.equal(versionKey('0.0'), '0');
    assert.equal(versionKey('1.0+cpu'), '1+cpu');
    assert.equal(versionKey('1.0-1'), versionKey('1.post1'));
    assert.notEqual(versionKey('1.0.0.1'), versionKey('1.1'));
    assert.equal(versionKey('2004d'), '2004d');
    assert.equal(parseVersion('1.0.0')?.text, '1.0.0');
  });

  test('are ordered as PEP 440 orders them, invalid ones first', () => {
    const all = ['2004d', 'dev', ...ASCENDING];
    assert.deepEqual(sortVersions(all.toReversed()), ['2004d', 'dev', ...ASCENDING]);
    assert.ok(compareVersions('9007199254740992', '9007199254740993') < 0);
    assert.equal(versionOrderKey('1.0'), versionOrderKey('1'));
    assert.ok(compareVersions('1', '1.0') < 0, 'by text where they are equal');
  });

  test('say whether installers choose them', () => {
    for (const text of ['1.0a1', '1.0.dev1', '1.0.post1.dev2', '2004d']) assert.equal(isPrerelease(text), true, text);
    for (const text of ['1.0', '1.0.post1', '1.0+rc1']) assert.equal(isPrerelease(text), false, text);
  });

  test('of any length are answered at once', () => {
    const took = cpuMs(() => {
      for (const unit of ['1', '1.', '1-', 'a', '0', '1.0+a.']) normaliseVersion(unit.repeat(200_000));
      for (const unit of ['1', '1.', '1-', 'a', '0', '1.0+a.']) normaliseVersion(`${unit.repeat(80)}!`);
    });
    assert.ok(took < 2000);
  });

  test('normalising twice changes nothing, and the order is a total one', () => {
    fc.assert(
      fc.property(arbitraryText, arbitraryText, arbitraryText, (a, b, c) => {
        const normal = normaliseVersion(a);
        assert.ok(normal !== undefined, a);
        assert.equal(normaliseVersion(normal), normal);
        assert.equal(versionKey(normal), versionKey(a));
        assert.equal(versionOrderKey(a) === versionOrderKey(b), versionKey(a) === versionKey(b));
        assert.equal(Math.sign(compareVersions(a, b)), -Math.sign(compareVersions(b, a)));
        if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) assert.ok(compareVersions(a, c) <= 0);
      }),
      { seed: 440 },
    );
  });
});

const judge = pythonJudge();
describe('versions, judged by packaging', { skip: judge.skip }, () => {
  const texts = [
    ...ASCENDING,
    ...SPELLINGS.map(([text]) => text),
    ...INVALID,
    ...fc.sample(arbitraryText, { numRuns: 400, seed: 440 }),
  ];

  test('text, key and pre-release agree', () => {
    if (judge.skip !== false) return;
    const verdicts = judge.ask(
      `
from packaging.version import Version, InvalidVersion
from packaging.utils import canonicalize_version
def judge(text):
    try:
        v = Version(text)
    except InvalidVersion:
        return None
    return [str(v), canonicalize_version(v), v.is_prerelease, v.public]
result = [judge(t) for t in data]`,
      texts,
    );
    const ours = texts.map((text) => {
      const version = parseVersion(text);
      return version === undefined ? null : [version.text, version.key, version.isPrerelease, version.public];
    });
    assert.deepEqual(ours, verdicts);
  });

  test('order agrees', () => {
    if (judge.skip !== false) return;
    const valid = texts.filter((text) => normaliseVersion(text) !== undefined);
    const pairs = valid.map((text, i) => [text, valid[(i * 37 + 11) % valid.length] ?? text] as const);
    const verdicts = judge.ask(
      `
from packaging.version import Version
result = [(Version(a) > Version(b)) - (Version(a) < Version(b)) for a, b in data]`,
      pairs,
    );
    const ours = pairs.map(([a, b]) => {
      const [x, y] = [versionOrderKey(a), versionOrderKey(b)];
      return x < y ? -1 : x > y ? 1 : 0;
    });
    assert.deepEqual(ours, verdicts);
  });
});
