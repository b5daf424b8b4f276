import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ProjectName } from '../../../server/model/project-name.ts';
import { PageFormatError } from '../../../server/simple/page-format-error.ts';
import { parseJsonPage } from '../../../server/simple/parse-json.ts';

const SOURCE = { name: 'foo' as ProjectName, url: new URL('https://index.example/simple/foo/') };
const SHA = 'ab'.repeat(32);

function parse(page: unknown) {
  return parseJsonPage(Buffer.from(typeof page === 'string' ? page : JSON.stringify(page)), SOURCE);
}

function one(file: Record<string, unknown>) {
  const page = parse({
    meta: { 'api-version': '1.4' },
    files: [{ filename: 'foo-1.0.tar.gz', url: 'foo-1.0.tar.gz', ...file }],
  });
  return page.files[0];
}

const PLAIN = { filename: 'foo-1.0.tar.gz', hashes: {}, url: 'https://index.example/simple/foo/foo-1.0.tar.gz' };

describe('a JSON page', () => {
  test('is read with all that it says', () => {
    const page = parse({
      meta: { 'api-version': '1.4', '_last-serial': '123' },
      name: 'Foo',
      versions: ['1.0', '2.0', '1.0', 7],
      'project-status': { status: 'deprecated', reason: 'old' },
      'alternate-locations': ['https://evil.example/'],
      namespaces: null,
      _private: 1,
      files: [
        {
          filename: 'foo-1.0-py3-none-any.whl',
          url: '../../files/foo-1.0-py3-none-any.whl',
          hashes: { sha256: SHA.toUpperCase(), future: 'abcdef0123' },
          'requires-python': '>=3',
          'core-metadata': { sha256: SHA },
          'gpg-sig': true,
          yanked: 'why',
          size: 12,
          'upload-time': '2024-01-02T03:04:05.678901Z',
          provenance: 'https://index.example/p',
          variants: ['x'],
          _hidden: true,
        },
      ],
    });
    assert.deepEqual(page, {
      name: 'foo',
      status: 'deprecated',
      statusReason: 'old',
      versions: ['1.0', '2.0'],
      files: [
        {
          filename: 'foo-1.0-py3-none-any.whl',
          hashes: { sha256: SHA, future: 'abcdef0123' },
          requiresPython: '>=3',
          size: 12,
          uploadTime: '2024-01-02T03:04:05.678901Z',
          yanked: 'why',
          coreMetadata: { sha256: SHA },
          provenance: 'https://index.example/p',
          url: 'https://index.example/files/foo-1.0-py3-none-any.whl',
          extra: { variants: ['x'] },
        },
      ],
      extra: { namespaces: null },
      dropped: 0,
    });
  });

  test('with null for what is absent is read as if it were absent', () => {
    const keys = [
      'requires-python',
      'core-metadata',
      'dist-info-metadata',
      'yanked',
      'size',
      'upload-time',
      'provenance',
      'hashes',
    ];
    assert.deepEqual(one(Object.fromEntries(keys.map((key) => [key, null]))), PLAIN);
    assert.equal(parse({ meta: {}, files: [], 'project-status': null }).status, undefined);
  });

  test('with odd values is read as far as they make sense', () => {
    assert.equal(one({ size: '123' })?.size, 123);
    for (const size of [-1, 1.5, 1e300, 'x', {}, '-1', '']) assert.deepEqual(one({ size }), PLAIN);
    for (const yanked of [false, 0, {}, []]) assert.deepEqual(one({ yanked }), PLAIN);
    assert.equal(one({ yanked: '' })?.yanked, true);
    assert.equal(one({ yanked: true })?.yanked, true);
    assert.deepEqual(
      one({ hashes: { SHA256: SHA, md5: 'xyz', sha1: 5, sha512: 'ab', '../x': SHA, __proto__: SHA } })?.hashes,
      { sha256: SHA },
    );
    for (const hashes of ['x', [SHA], 5]) assert.deepEqual(one({ hashes }), PLAIN);
    assert.deepEqual(one({ url: `foo-1.0.tar.gz#sha256=${SHA}` }), { ...PLAIN, hashes: { sha256: SHA } });
    assert.equal(one({ 'requires-python': ' ' })?.requiresPython, undefined);
    assert.equal(one({ provenance: 'javascript:alert(1)' })?.provenance, undefined);
    assert.equal(parse({ files: [], meta: { 'project-status': { status: 'archived' } } }).status, 'archived');
    assert.equal(parse({ files: [], 'project-status': { status: 'zombie' } }).status, undefined);
    assert.equal(parse('\ufeff{"files":[]}').files.length, 0);
  });

  test('announces core metadata under any of its three names', () => {
    assert.equal(one({ 'core-metadata': true })?.coreMetadata, true);
    assert.equal(one({ 'core-metadata': {} })?.coreMetadata, true);
    assert.deepEqual(one({ 'dist-info-metadata': { sha256: SHA } })?.coreMetadata, { sha256: SHA });
    assert.deepEqual(one({ 'data-dist-info-metadata': { sha256: SHA } })?.coreMetadata, { sha256: SHA });
    assert.equal(one({ 'core-metadata': false, 'dist-info-metadata': true })?.coreMetadata, undefined);
  });

  test('has the version of every file in its versions, in any spelling', () => {
    const files = ['foo-1.0.tar.gz', 'foo-2.0.0.zip', 'foo-2004d.zip', 'README'].map((filename) => ({
      filename,
      url: filename,
    }));
    assert.deepEqual(parse({ files, versions: ['1', '3.0'] }).versions, ['1', '3.0', '2.0.0', '2004d']);
    assert.deepEqual(parse({ files }).versions, ['1.0', '2.0.0', '2004d']);
  });

  test('loses the files that cannot be served, and says how many', () => {
    const url = 'https://files.example/x';
    const bad = [
      { url },
      { filename: 5, url },
      { filename: '../../etc/passwd', url },
      { filename: 'a\\b.whl', url },
      { filename: '.hidden.whl', url },
      { filename: 'a\nb.whl', url },
      { filename: 'a\u0000.whl', url },
      { filename: `${'x'.repeat(10_000)}.whl`, url },
      { filename: 'foo-1.0-py3-none-any.whl.metadata', url },
      { filename: 'foo-1.0.zip' },
      { filename: 'foo-1.0.zip', url: 'file:///etc/passwd' },
      { filename: 'foo-1.0.zip', url: 'http://' },
      { filename: 'foo-1.0.zip', url: `https://files.example/${'x'.repeat(10_000)}` },
      null,
      'foo',
      [],
    ];
    const good = { filename: 'foo-3.0.zip', url };
    const page = parse({ files: [...bad, good, good], meta: {} });
    assert.deepEqual(
      page.files.map((file) => file.filename),
      ['foo-3.0.zip'],
    );
    assert.equal(page.dropped, bad.length + 1);
  });

  test('keeps files of kinds that we do not know', () => {
    const names = ['foo-1.0-variants.json', 'foo-1.0.future', 'foo-1.0-py3-none-any-cuda.whl'];
    assert.deepEqual(
      parse({ files: names.map((filename) => ({ filename, url: filename })) }).files.map((file) => file.filename),
      names,
    );
  });
});

test('what is no JSON page is refused', () => {
  const bad = [
    '',
    '{',
    '[]',
    'null',
    '"x"',
    '{"files":{}}',
    '{"meta":{}}',
    '<!DOCTYPE html>',
    '{"files":[]',
    '{"files":[],"meta":{"api-version":"2.0"}}',
  ];
  bad.push('{"files":[],"meta":{"api-version":"10"}}', '{"message":"sign in"}');
  for (const body of bad) assert.throws(() => parse(body), PageFormatError, body);
  for (const version of ['1.0', '1.9', '1.99', 1.1])
    assert.equal(parse({ files: [], meta: { 'api-version': version } }).dropped, 0);
});

test('of what we do not know as much is kept as can be written again', () => {
  const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
  const many = Array.from({ length: 5_000 }, (_, at) => `"k${at}":1`).join(',');
  const file = `"filename":"foo-1.0.zip","url":"foo-1.0.zip","hashes":{},"near":${nested(9)},"far":${nested(30_000)}`;
  const page = parse(`{"near":${nested(9)},"far":${nested(30_000)},${many},"files":[{${file}}]}`);
  assert.equal(page.files.length, 1);
  assert.deepEqual(Object.keys(page.files[0]?.extra ?? {}), ['near']);
  assert.deepEqual(Object.keys(page.extra ?? {}).slice(0, 2), ['near', 'k0']);
  assert.ok(JSON.stringify(page).length < 10_000);
});

test('upload times are brought into the one form of PEP 700', () => {
  const times: readonly (readonly [string, string | undefined])[] = [
    ['2024-01-02T03:04:05Z', '2024-01-02T03:04:05Z'],
    ['2024-01-02T03:04:05.1Z', '2024-01-02T03:04:05.1Z'],
    ['2024-01-02T03:04:05.123456789Z', '2024-01-02T03:04:05.123456Z'],
    ['2024-01-02T03:04:05', '2024-01-02T03:04:05Z'],
    ['2024-01-02 03:04:05 UTC', '2024-01-02T03:04:05Z'],
    ['2024-01-02T03:04:05.5+02:00', '2024-01-02T01:04:05.5Z'],
    ['2024-01-02T03:04:05-0130', '2024-01-02T04:34:05Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00Z'],
    ['2023-02-29T00:00:00Z', undefined],
    ['2024-13-01T00:00:00Z', undefined],
    ['2024-01-01T24:00:00Z', undefined],
    ['2024-01-01', undefined],
    ['yesterday', undefined],
    ['', undefined],
  ];
  for (const [text, expected] of times) assert.equal(one({ 'upload-time': text })?.uploadTime, expected, text);
});
