import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { LockChanges, NewSource } from '../../../server/mirroring/lock.ts';
import { readLock, rewriteLock } from '../../../server/mirroring/lock-formats.ts';
import { Problem } from '../../../server/problem.ts';
import { LARGE_LOCKS, largeLock } from '../../support/large-locks.ts';
import { SAMPLE_LOCKS, sampleLock } from '../../support/locks.ts';

const A = 'aa'.repeat(32);

const ARCHIVE: NewSource = {
  kind: 'archive',
  url: 'https://here.example/sources/storm-git/storm_git-0.7.tar.gz',
  filename: 'storm_git-0.7.tar.gz',
  sha256: A,
  size: 7,
};

// How fast that is, `npm run bench -- locks` tells.
test('10,000 packages are read and rewritten, whatever the format', () => {
  for (const name of LARGE_LOCKS) {
    const text = largeLock(name, 10_000);
    const lock = readLock(text);
    assert.equal(lock.entries.length, 10_000);
    assert.equal(lock.entries[9]?.hashes.length, name === 'requirements.txt' || name === 'Pipfile.lock' ? 3 : 1);
    assert.equal(rewriteLock(text, { fileUrl: (url) => url }).content, text.content);
  }
});

test('so are 10,000 whose files stand together, as pdm wrote them before 2.8', () => {
  const numbers = Array.from({ length: 10_000 }, (_, i) => i);
  const packages = numbers.map((i) => `[[package]]\nname = "p${i}"\nversion = "1.${i}"\n`).join('\n');
  const files = numbers.map(
    (i) => `"p${i} 1.${i}" = [\n    {url = "https://files.example/p${i}.tar.gz", hash = "sha256:${A}"},\n]\n`,
  );
  const content = `${packages}\n[metadata]\nlock_version = "4.2"\n\n[metadata.files]\n${files.join('')}`;
  const changed = rewriteLock({ name: 'pdm.lock', content }, { fileUrl: (url) => url.replace('files', 'here') });
  assert.equal(changed.content, content.replaceAll('files.example', 'here.example'));
});

const EVERYTHING: LockChanges = {
  sources: new Map(Array.from({ length: 20 }, (_, i) => [i, ARCHIVE])),
  files: new Map(
    Array.from({ length: 20 }, (_, i) => [
      i,
      [{ filename: 'storm_base-1.1.tar.gz', sha256: A, url: 'https://here.example/x' }],
    ]),
  ),
  fileUrl: (url) => `${url}?x`,
  indexUrl: (url) => `${url}x`,
};

/** Reads the lock and, when it is one, what it is rewritten to. Anything but a lock or the problem fails the test. */
function survives(name: string, content: string): void {
  try {
    const lock = readLock({ name, content });
    const again = readLock(rewriteLock({ name, content }, EVERYTHING));
    assert.equal(again.entries.length, lock.entries.length);
    for (const entry of lock.entries) assert.ok(entry.hashes.every((hash) => /^[0-9a-f]{64}$/.test(hash)));
  } catch (error) {
    assert.ok(error instanceof Problem && error.slug === 'malformed-request', String(error));
    assert.ok(Array.isArray(error.members.errors) && error.members.errors.length > 0);
    assert.ok(error.detail.length < 400);
  }
}

describe('damaged locks give a lock that can be rewritten, or the problem that says where', () => {
  const pieces = [
    '',
    '"',
    "'",
    '\n',
    '[',
    ']',
    '{',
    '}',
    '=',
    '#',
    ',',
    '.',
    '\\',
    '\0',
    '"""',
    'null',
    '[[package]]',
    '[package.source]',
  ];
  pieces.push('\ufeff', '\u2028', '-r x', ' @ ', '__proto__', '1e999', '-');

  test('damaged in characters', () => {
    const change = fc.record({ at: fc.nat(9000), cut: fc.nat(30), insert: fc.constantFrom(...pieces) });
    fc.assert(
      fc.property(fc.constantFrom(...SAMPLE_LOCKS), fc.array(change, { minLength: 1, maxLength: 4 }), (name, edits) => {
        let { content } = sampleLock(name);
        for (const { at, cut, insert } of edits) {
          const start = at % (content.length + 1);
          content = content.slice(0, start) + insert + content.slice(start + cut);
        }
        survives(name, content);
      }),
      { numRuns: 1000, seed: 6 },
    );
  });

  test('damaged in lines and values', () => {
    const values = [
      '',
      'a',
      '\\u0000',
      '../../etc/passwd',
      'file:///etc/passwd',
      'https://h.example/x#y',
      'sha256:00',
      `sha256:${A}`,
      'git+https://h.example/a@b',
      '$' + '{HOME}',
      '==1',
      'é',
    ];
    const change = fc.record({
      line: fc.nat(400),
      kind: fc.constantFrom('delete', 'copy', 'value', 'key'),
      to: fc.nat(400),
      value: fc.constantFrom(...values),
    });
    fc.assert(
      fc.property(fc.constantFrom(...SAMPLE_LOCKS), fc.array(change, { minLength: 1, maxLength: 5 }), (name, edits) => {
        const lines = sampleLock(name).content.split('\n');
        for (const { line, kind, to, value } of edits) {
          const at = line % lines.length;
          const text = lines[at] ?? '';
          if (kind === 'delete') lines.splice(at, 1);
          else if (kind === 'copy') lines.splice(to % lines.length, 0, text);
          else if (kind === 'value') lines[at] = text.replace(/"[^"]*"(?!.*")/, JSON.stringify(value));
          else lines[at] = text.replace(/[a-z]+(?= = |")/, 'other');
        }
        survives(name, lines.join('\n'));
      }),
      { numRuns: 1000, seed: 6 },
    );
  });
});
