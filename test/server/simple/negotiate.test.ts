import assert from 'node:assert/strict';
import { test } from 'node:test';
import { negotiate } from '../../../server/simple/negotiate.ts';

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';
const HTML_TYPE = 'application/vnd.pypi.simple.v1+html';
const PLAIN = 'text/html; charset=utf-8';

const ACCEPT: readonly (readonly [accept: string | undefined, contentType: string])[] = [
  // What clients were seen to send.
  [`${JSON_TYPE}, ${HTML_TYPE}; q=0.1, text/html; q=0.01`, JSON_TYPE],
  [`${JSON_TYPE}, ${HTML_TYPE};q=0.2, text/html;q=0.01`, JSON_TYPE],
  [`${JSON_TYPE}, */*;q=0.1`, JSON_TYPE],
  [`${JSON_TYPE}, ${HTML_TYPE}, text/html;q=0.01`, JSON_TYPE],
  ['*/*', PLAIN],
  [undefined, PLAIN],
  ['text/html', PLAIN],
  ['application/json', PLAIN],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', PLAIN],
  // Ties, wildcards, refusals.
  [`text/html, ${HTML_TYPE}, ${JSON_TYPE}`, JSON_TYPE],
  [`text/html, ${HTML_TYPE}`, HTML_TYPE],
  [HTML_TYPE, HTML_TYPE],
  [`*/*, ${JSON_TYPE}`, JSON_TYPE],
  [`${JSON_TYPE};q=0.1, */*`, PLAIN],
  [`${JSON_TYPE};q=0, */*;q=0.5`, PLAIN],
  ['text/*', PLAIN],
  ['application/*', JSON_TYPE],
  [`${JSON_TYPE};q=0.2, text/html;q=0.9`, PLAIN],
  ['application/xml', PLAIN],
  ['text/html;q=0', PLAIN],
  [`${JSON_TYPE.toUpperCase()}`, JSON_TYPE],
  [`${JSON_TYPE};charset=utf-8;q=1.0`, JSON_TYPE],
  ['application/vnd.pypi.simple.latest+json', JSON_TYPE],
  ['application/vnd.pypi.simple.latest+html', HTML_TYPE],
  ['application/vnd.pypi.simple.v2+json', PLAIN],
  // Nonsense.
  ['', PLAIN],
  [';;;,,,q=', PLAIN],
  [`${JSON_TYPE};q=abc`, JSON_TYPE],
  [`${JSON_TYPE};q=1.2.3`, PLAIN],
  [`${'a/b,'.repeat(50_000)}${JSON_TYPE}`, PLAIN],
];

test('the Accept header chooses as clients expect', () => {
  for (const [accept, contentType] of ACCEPT) {
    const answer = negotiate(accept);
    assert.equal(answer.contentType, contentType, accept?.slice(0, 100));
    assert.equal(answer.format, contentType === JSON_TYPE ? 'json' : 'html');
  }
});

test('?format= wins when it names a type that we speak', () => {
  assert.equal(negotiate('text/html', JSON_TYPE).contentType, JSON_TYPE);
  assert.equal(negotiate(JSON_TYPE, 'text/html').contentType, PLAIN);
  assert.equal(negotiate(JSON_TYPE, HTML_TYPE).contentType, HTML_TYPE);
  assert.equal(negotiate('*/*', 'application/vnd.pypi.simple.latest+json').contentType, JSON_TYPE);
  assert.equal(negotiate('*/*', JSON_TYPE.replace('+', ' ')).contentType, JSON_TYPE, 'a + that was not escaped');
  assert.equal(negotiate(JSON_TYPE, '*/*').contentType, JSON_TYPE);
  assert.equal(negotiate(JSON_TYPE, 'json').contentType, JSON_TYPE);
});
