import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readAddress } from '../../../server/simple/read-address.ts';

const BASES = [
  'https://index.example/simple/demo/',
  'http://127.0.0.1:8080/simple/demo',
  'https://index.example/?a=/b',
];

/** What `URL` says, without any short cut. */
function slowly(text: string, base: string): { href: string; fragment: string } | undefined {
  const url = text === '' ? null : URL.parse(text, base);
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
  const fragment = url.hash;
  url.hash = '';
  return { href: url.href, fragment };
}

function same(text: string): void {
  for (const base of BASES)
    assert.deepEqual(readAddress(text, new URL(base)), slowly(text, base), `${text} on ${base}`);
}

test('addresses are read as URL reads them', () => {
  const paths = [
    '',
    'a.whl',
    'a/../b',
    'a/..',
    './a',
    '..a',
    'a//b',
    '.',
    '%2e%2e/a',
    'a b',
    "it's",
    'a|b',
    'ü',
    'a?b',
    'a\\b',
  ];
  const names = ['files.example', 'FILES.example', 'files.example.', 'x_y.example', 'xn--a.example', '-a.example', 'a'];
  const hosts = [...names, '1.2.3.4', '0x7f.1', 'a.example:443', 'a.example:80', 'u:p@a.example'];
  const fragments = ['', '#', '#sha256=abc', '#a b', '#sha256=abc&egg=x', '#%41'];
  for (const fragment of fragments) {
    for (const path of paths) {
      same(path + fragment);
      for (const scheme of ['http', 'https', 'HTTPS', 'ftp', 'javascript'])
        for (const host of hosts) same(`${scheme}://${host}/${path}${fragment}`);
    }
  }
  const odd = ['https://files.example', '//files.example/a', 'demo-1.0.whl', 'demo:1', '/a', ' a', 'a\n', 'a\tb'];
  for (const text of odd) same(text);
});

test('and so is any text', () => {
  const parts = ['a', 'b1', '.', '..', '/', ':', '#', '?', '%', 'xn--', '-', '@', 'https://', 'é', '\\', '0x1', ' '];
  const texts = fc.array(fc.constantFrom(...parts), { maxLength: 12 }).map((some) => some.join(''));
  fc.assert(fc.property(texts, same), { numRuns: 2_000 });
});

test('what is no text, or too long, is no address', () => {
  const base = new URL('https://index.example/');
  for (const value of [undefined, null, 1, {}, 'a'.repeat(9_000)]) assert.equal(readAddress(value, base), undefined);
  assert.deepEqual(readAddress(new URL('https://a.example/b#c'), base), {
    href: 'https://a.example/b',
    fragment: '#c',
  });
});
