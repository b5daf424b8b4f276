import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ProjectName } from '../../../server/model/project-name.ts';
import { PageFormatError } from '../../../server/simple/page-format-error.ts';
import { parseHtmlPage } from '../../../server/simple/parse-html.ts';
import { parseJsonPage } from '../../../server/simple/parse-json.ts';
import { renderHtmlPage } from '../../../server/simple/render-html.ts';
import { renderJsonPage } from '../../../server/simple/render-json.ts';
import { cpuMs } from '../../support/cpu-time.ts';
import { hugePage } from '../../support/project-pages.ts';

const SOURCE = { name: 'foo' as ProjectName, url: new URL('https://index.example/simple/foo/') };
const SHA = 'ab'.repeat(32);
const MARK = '<meta name="pypi:repository-version" content="1.0">';

function parse(html: string) {
  return parseHtmlPage(Buffer.from(html), SOURCE);
}

function links(html: string): readonly (readonly [string, string | undefined])[] {
  return parse(html).files.map((file) => [file.filename, file.url]);
}

describe('an HTML page', () => {
  test('is read with all its attributes', () => {
    const page = parse(`<!DOCTYPE html><html><head><META NAME="pypi:repository-version" content="1.4">
<meta name="pypi:project-status" content="archived"><meta name="pypi:project-status-reason" content="done &amp; dusted"></head><body>
<a href="../../f/foo-1.0-py3-none-any.whl#sha256=${SHA}" data-requires-python="&gt;=3.8,&lt;4" data-yanked="bad &quot;one&quot;"
 data-core-metadata="sha256=${SHA}" data-size="12" data-upload-time="2024-01-02T03:04:05Z" data-provenance="https://index.example/p" data-gpg-sig="false">foo-1.0-py3-none-any.whl</a><br/>
</body></html>`);
    assert.deepEqual(page, {
      name: 'foo',
      status: 'archived',
      statusReason: 'done & dusted',
      versions: ['1.0'],
      files: [
        {
          filename: 'foo-1.0-py3-none-any.whl',
          hashes: { sha256: SHA },
          requiresPython: '>=3.8,<4',
          size: 12,
          uploadTime: '2024-01-02T03:04:05Z',
          yanked: 'bad "one"',
          coreMetadata: { sha256: SHA },
          provenance: 'https://index.example/p',
          url: 'https://index.example/f/foo-1.0-py3-none-any.whl',
        },
      ],
      dropped: 0,
    });
  });

  test('resolves links against its address and its base', () => {
    const a = '<a href="foo-1.0.zip">foo-1.0.zip</a>';
    assert.deepEqual(links(a), [['foo-1.0.zip', 'https://index.example/simple/foo/foo-1.0.zip']]);
    assert.deepEqual(links(`<base href="https://cdn.example/x/">${a}`), [
      ['foo-1.0.zip', 'https://cdn.example/x/foo-1.0.zip'],
    ]);
    assert.deepEqual(links(`<base href="/up/"><base href="/no/">${a}`), [
      ['foo-1.0.zip', 'https://index.example/up/foo-1.0.zip'],
    ]);
    assert.deepEqual(links(`<base>${a}`), [['foo-1.0.zip', 'https://index.example/simple/foo/foo-1.0.zip']]);
    assert.deepEqual(links('<a href="//cdn.example/foo-1.0.zip">x</a>'), [
      ['foo-1.0.zip', 'https://cdn.example/foo-1.0.zip'],
    ]);
    assert.deepEqual(
      links('<a href="foo-1%212.0%2Bcpu.zip">foo</a>').map(([name]) => name),
      ['foo-1!2.0+cpu.zip'],
    );
    assert.deepEqual(links('<a href="/get?id=7">foo-1.0.zip</a>'), [['foo-1.0.zip', 'https://index.example/get?id=7']]);
  });

  test('reads the hashes of old links, and metadata under its old name', () => {
    const file = parse(
      `<a href="foo-1.0.zip#egg=foo&md5=${'0'.repeat(32)}" data-dist-info-metadata="true" data-yanked>foo-1.0.zip</a>`,
    ).files[0];
    assert.deepEqual(file?.hashes, { md5: '0'.repeat(32) });
    assert.equal(file?.coreMetadata, true);
    assert.equal(file?.yanked, true);
    assert.equal(
      parse('<a href="foo-1.0.zip" data-core-metadata="false">foo-1.0.zip</a>').files[0]?.coreMetadata,
      undefined,
    );
    assert.equal(parse('<a href="foo-1.0.zip" data-core-metadata>foo-1.0.zip</a>').files[0]?.coreMetadata, true);
  });

  test('of a plain listing gives its files and nothing else', () => {
    const page = parse(
      '<html><title>Index of /foo</title><body><a href="../">../</a><a href="?C=N">Name</a><a href="https://foo.example/">home</a><A HREF="foo-1.0.tar.gz">foo-1.0.ta..&gt;</A></html>',
    );
    assert.deepEqual(
      page.files.map((file) => file.filename),
      ['foo-1.0.tar.gz'],
    );
    assert.equal(page.dropped, 0);
    assert.equal(parse('<h1>Links for foo</h1>').files.length, 0);
    assert.equal(parse(MARK).files.length, 0);
    const future = '<a href="foo-1.0-variants.json">foo-1.0-variants.json</a><a href="/help">help</a>';
    assert.deepEqual(
      parse(MARK + future).files.map((file) => file.filename),
      ['foo-1.0-variants.json'],
    );
  });

  test('loses links that cannot be served, and counts them', () => {
    const bad = [
      '<a href="..%2f..%2fevil-1.0.zip">evil</a>',
      '<a href="a%5Cb-1.0.zip">x</a>',
      '<a href="a%00-1.0.zip">x</a>',
      '<a href=".foo-1.0.zip">x</a>',
      '<a href="javascript:alert(1)">foo-1.0.zip</a>',
      '<a href="file:///foo-1.0.zip">foo-1.0.zip</a>',
      '<a>foo-1.0.zip</a>',
      '<a href="foo-2.0.zip">one</a><a href="x/foo-2.0.zip">two</a>',
    ];
    const page = parse(MARK + bad.join('\n'));
    assert.deepEqual(
      page.files.map((file) => file.url),
      ['https://index.example/simple/foo/foo-2.0.zip'],
    );
    assert.equal(page.dropped, bad.length);
    assert.equal(parse(`${MARK}<a href="%zz%-1.0.zip">x</a>`).files.length, 0);
  });

  test('does not run what it carries', () => {
    const page = parse(
      `${MARK}<script>document.write('<a href="evil-1.0.zip">evil-1.0.zip</a>')</script><!-- <a href="no-1.0.zip">no-1.0.zip</a> --><a href="foo-1.0.zip"><b>foo</b>-1.0.zip</a>`,
    );
    assert.deepEqual(
      page.files.map((file) => file.filename),
      ['foo-1.0.zip'],
    );
  });
});

test('what is no project page is refused', () => {
  const bad = [
    '',
    'Service unavailable',
    '{"files":[]}',
    '<html><body>Please wait</body></html>',
    '<html><title>Sign in</title><form><input type=password></form><a href="/help">help</a></html>',
    '<html><body><h1>Welcome</h1><a href="https://wifi.example/terms.html">terms.html</a></body></html>'.replaceAll(
      'terms.html',
      '',
    ),
    MARK.replace('1.0', '2.0'),
    `<html>${MARK}<body><a href="foo-1.0.zip">foo-1.0.zip</a>`,
    `${MARK}<a href="foo-1.0.zip">foo-1.0.zip</a><a href="foo-2.`,
  ];
  for (const html of bad) assert.throws(() => parse(html), PageFormatError, html);
});

test('pages made to be slow are read in time', () => {
  const evil = [
    '<a ',
    '<a href="',
    '<a>',
    '<div>',
    '&amp;',
    '<a href="foo-1.zip" ',
    '<h1>',
    '<!--',
    '<a href=x',
    '</a>',
    '<base href=x>',
    '&#',
  ];
  for (const piece of evil) {
    const took = cpuMs(() => {
      try {
        parse(piece.repeat(100_000));
      } catch (error) {
        assert.ok(error instanceof PageFormatError);
      }
    });
    assert.ok(took < 10_000, piece);
  }
});

test('links and paragraphs that are never closed are read, elements within each other without end are refused', () => {
  const names = Array.from({ length: 2_000 }, (_, at) => `foo-1.${at}.zip`);
  const page = (around: (link: string) => string, count: number) =>
    parse(
      names
        .slice(0, count)
        .map((name) => around(`<a href="${name}">${name}`))
        .join(''),
    ).files.length;
  for (const before of ['', '<br>', '<img>'])
    assert.equal(
      page((link) => before + link, 2_000),
      2_000,
      before,
    );
  for (const before of ['<p>', '<li>'])
    assert.equal(
      page((link) => `${before}${link}</a>`, 2_000),
      2_000,
      before,
    );
  for (const before of ['<p>', '<li>', '<font>'])
    assert.equal(
      page((link) => before + link, 200),
      200,
      before,
    );
  const [within, beyond] = [500, 600].map((depth) => `${'<div>'.repeat(depth)}<a href="foo-1.0.zip">foo-1.0.zip</a>`);
  assert.equal(parse(within ?? '').files.length, 1);
  assert.throws(() => parse(beyond ?? ''), PageFormatError);
});

test('what a page says once for all of its links cannot make each of them long', () => {
  const link = '<a href="foo-1.0.zip">foo-1.0.zip</a>';
  assert.equal(parse(`<base href="/${'a/'.repeat(900)}">${link}`).files.length, 1);
  assert.equal(parse(`<base href="/f/?${'a'.repeat(9_000)}">${link}`).files.length, 1, 'of a query nothing is left');
  assert.throws(() => parse(`<base href="/${'a/'.repeat(2_000)}">${link}`), PageFormatError);
});

test('damaged pages give a page or a PageFormatError, and never an unsafe name', () => {
  const sound = [renderHtmlPage(hugePage(4)).toString('latin1'), renderJsonPage(hugePage(4)).toString('latin1')];
  const change = fc.record({
    at: fc.nat(2000),
    cut: fc.nat(20),
    insert: fc.constantFrom('', '"', '<', '>', '/', '\\', '..%2f', '\0', '{', ']', 'null', '&#0;', '\x80'),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 6 }), (changes) => {
      for (const [index, read] of [parseHtmlPage, parseJsonPage].entries()) {
        let text = sound[index] ?? '';
        for (const { at, cut, insert } of changes) text = text.slice(0, at) + insert + text.slice(at + cut);
        try {
          for (const { filename, url } of read(Buffer.from(text, 'latin1'), SOURCE).files) {
            assert.ok(!/[/\\\0]/.test(filename) && !filename.startsWith('.'));
            assert.match(url ?? '', /^https?:/);
          }
        } catch (error) {
          assert.ok(error instanceof PageFormatError, String(error));
        }
      }
    }),
    { numRuns: 500, seed: 503 },
  );
});
