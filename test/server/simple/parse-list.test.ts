import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PageFormatError } from '../../../server/simple/page-format-error.ts';
import { parseProjectList } from '../../../server/simple/parse-list.ts';

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';
const names = (type: string, text: string) => parseProjectList(type, Buffer.from(text));

describe('the list of projects of another index', () => {
  test('in JSON', () => {
    const list = {
      meta: { 'api-version': '1.0' },
      projects: [{ name: 'Beta_b' }, { name: 'alpha' }, { name: '../x' }, 5],
    };
    assert.deepEqual(names(JSON_TYPE, JSON.stringify(list)), ['alpha', 'beta-b']);
  });

  test('in HTML, however its links are spelt', () => {
    const html = `<!DOCTYPE html><html><head><title>Simple index</title></head><body><a href="../">../</a>
<a href="/simple/beta-b/">Beta_b</a><br><A HREF='alpha/'>alpha/</A> <a href=x>a &amp; b</a> <a href="alpha/">alpha</a></body></html>`;
    assert.deepEqual(names('text/html', html), ['alpha', 'beta-b']);
    assert.deepEqual(names('text/html', '<a href="alpha/">alpha</a>'), ['alpha']);
    assert.deepEqual(names('text/html', '<html><body></body></html>'), []);
  });

  test('that is none', () => {
    for (const [type, text] of [
      [JSON_TYPE, '{'],
      [JSON_TYPE, '[]'],
      [JSON_TYPE, '{"files": []}'],
      ['text/html', 'Please sign in'],
    ] as const)
      assert.throws(() => names(type, text), PageFormatError, text);
  });
});
