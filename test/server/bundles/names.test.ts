import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareWithLock, lockHashes, readRequirementPins } from '../../../server/bundles/lock-compare.ts';
import {
  bundleSortKey,
  isBundlePrerelease,
  LOWEST_SORT_KEY,
  parseAppName,
  parseBundleFilename,
  parseBundleVersionText,
  parseChannelName,
} from '../../../server/model/bundle.ts';
import { compareVersions, parseVersion } from '../../../server/model/version.ts';
import { Problem } from '../../../server/problem.ts';

const PARSERS = { parseAppName, parseBundleFilename, parseBundleVersionText, parseChannelName };

test('only names that are safe in a path, an address and a header are taken', () => {
  const good: Record<keyof typeof PARSERS, readonly string[]> = {
    parseAppName: ['myapp', 'My_App-2', 'a', '0', 'channels', 'c++'],
    parseBundleFilename: ['myapp-0.1.tar.gz', '_x', 'a+b~1!2'],
    parseBundleVersionText: ['0.1', '1!2.0+local.1', 'build-77', 'v1', 'a3f9c2'],
    parseChannelName: ['production', 'eu-west.1', 'a'],
  };
  for (const [name, texts] of Object.entries(good)) {
    for (const text of texts) assert.equal(PARSERS[name as keyof typeof PARSERS](text), text);
  }
  const bad: Record<keyof typeof PARSERS, readonly string[]> = {
    parseAppName: ['', '.', '..', '@x', '-x', 'a/b', 'a b', 'ä', `${'a'.repeat(129)}`],
    parseBundleFilename: ['', '.x', '..', 'a/b', 'a\\b', 'a b', 'a"b', 'a;b', 'sbom', 'lock', 'sha256', 'download'],
    parseBundleVersionText: ['', '@production', 'channels', 'diff', 'retention', 'latest', '..', 'a\nb'],
    parseChannelName: ['', 'latest', 'Production', '@x', 'a/b', '-a', 'a-'],
  };
  for (const [name, texts] of Object.entries(bad)) {
    for (const text of texts) {
      assert.throws(() => PARSERS[name as keyof typeof PARSERS](text), Problem, `${name} ${JSON.stringify(text)}`);
    }
  }
});

test('whatever is taken has no character that means something elsewhere', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
      for (const parse of Object.values(PARSERS)) {
        try {
          assert.match(parse(text), /^[A-Za-z0-9_][A-Za-z0-9._+!~-]*$/);
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
        }
      }
    }),
  );
});

test('sort keys are in the order of PEP 440 in any collation, and what does not follow it comes before all that does', () => {
  const number = fc.integer({ min: 0, max: 12 });
  const version = fc
    .tuple(
      fc.constantFrom('', '1!'),
      fc.array(number, { minLength: 1, maxLength: 4 }),
      fc.constantFrom('', 'a1', 'b10', 'rc2'),
      fc.constantFrom('', '.post1', '.post10'),
      fc.constantFrom('', '.dev0', '.dev3'),
      fc.constantFrom('', '+a', '+1', '+a.1'),
    )
    .map(([epoch, release, pre, post, dev, local]) => `${epoch}${release.join('.')}${pre}${post}${dev}${local}`);
  fc.assert(
    fc.property(version, version, (a, b) => {
      const [one, two] = [bundleSortKey(a), bundleSortKey(b)];
      assert.match(one, /^[0-9a-f]+$/);
      const wanted = parseVersion(a)?.key === parseVersion(b)?.key ? 0 : Math.sign(compareVersions(a, b));
      assert.equal(one < two ? -1 : one > two ? 1 : 0, wanted, `${a} ${b}`);
      assert.ok(one > LOWEST_SORT_KEY);
    }),
  );
  for (const text of ['build-77', 'a3f9c2', 'nightly']) {
    assert.equal(bundleSortKey(text), LOWEST_SORT_KEY);
    assert.equal(isBundlePrerelease(text), false);
  }
});

test('a lock is read for its pins and hashes, and compared by release', () => {
  const digest = 'ab'.repeat(32);
  const body = [
    '# comment==1',
    'Flask[async]==3.0.0 \\',
    `    --hash=sha256:${digest} \\`,
    `    --hash=sha256:${'cd'.repeat(32)}`,
    'markup_safe == 2.1 ; python_version > "3"',
    'loose>=1',
    'arbitrary===1.0-weird',
    'url @ https://files.example/url-1.0.zip',
    '-r other.txt',
    'two==1',
    'two==2',
  ].join('\r\n');
  const pins = readRequirementPins('requirements.txt', body);
  assert.deepEqual(
    pins.map(({ name, version }) => `${name}==${version}`),
    ['flask==3.0.0', 'markup-safe==2.1', 'arbitrary==1.0-weird', 'two==1', 'two==2'],
  );
  assert.deepEqual(lockHashes(`${body}\nhash = "sha256:${digest}"\nsha256 = "${'ef'.repeat(32)}"`), [
    digest,
    'cd'.repeat(32),
    'ef'.repeat(32),
  ]);
  const inside = [
    { name: 'flask', version: '3.0', path: 'a' },
    { name: 'two', version: '3', path: 'b' },
    { name: 'stray', version: '1', path: 'c' },
    { name: 'my-app', version: '0.1', path: 'd' },
  ];
  assert.deepEqual(compareWithLock(inside, pins, 'my-app'), {
    notInLock: [{ name: 'stray', version: '1' }],
    notInBundle: [
      { name: 'arbitrary', version: '1.0-weird' },
      { name: 'markup-safe', version: '2.1' },
    ],
    differs: [{ name: 'two', vendored: '3', locked: '1, 2' }],
  });
});
