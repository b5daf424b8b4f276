import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ProjectDetail } from '../../../server/model/distribution-file.ts';
import type { ProjectName } from '../../../server/model/project-name.ts';
import { renderHtmlPage } from '../../../server/simple/render-html.ts';
import { renderJsonPage } from '../../../server/simple/render-json.ts';
import { renderProjectList } from '../../../server/simple/render-list.ts';

const SHA = 'ab'.repeat(32);
const DETAIL: ProjectDetail = {
  name: 'demo-loc' as ProjectName,
  status: 'active',
  versions: ['1!2.0+cpu.1', '3.0'],
  files: [
    {
      filename: 'demo_loc-1!2.0+cpu.1-py3-none-any.whl',
      hashes: { sha256: SHA },
      requiresPython: '>=3,<4',
      size: 10,
      uploadTime: '2024-01-02T03:04:05Z',
      yanked: '"><script>\nalert(1)',
      coreMetadata: { sha256: SHA },
      provenance: 'https://upstream.example/p',
      url: 'https://files.example/secret/path',
      extra: { future: 1, url: 'https://evil.example/', _x: 1, 'gpg-sig': true },
    },
    { filename: 'a&b <c>-1.0.zip', hashes: { sha1: 'cd'.repeat(20) } },
  ],
  extra: { namespaces: null, files: [], _y: 1 },
};

describe('a rendered page', () => {
  test('in JSON', () => {
    assert.deepEqual(JSON.parse(renderJsonPage(DETAIL).toString()), {
      meta: { 'api-version': '1.4' },
      name: 'demo-loc',
      'project-status': { status: 'active' },
      versions: ['1!2.0+cpu.1', '3.0'],
      files: [
        {
          filename: 'demo_loc-1!2.0+cpu.1-py3-none-any.whl',
          url: 'demo_loc-1!2.0%2Bcpu.1-py3-none-any.whl',
          hashes: { sha256: SHA },
          'requires-python': '>=3,<4',
          size: 10,
          'upload-time': '2024-01-02T03:04:05Z',
          yanked: '"><script>\nalert(1)',
          'core-metadata': { sha256: SHA },
          provenance: 'https://upstream.example/p',
          future: 1,
        },
        { filename: 'a&b <c>-1.0.zip', url: 'a%26b%20%3Cc%3E-1.0.zip', hashes: { sha1: 'cd'.repeat(20) } },
      ],
      namespaces: null,
    });
    assert.ok(!renderJsonPage(DETAIL).includes('files.example'), 'where the bytes are at upstream is never told');
  });

  test('in HTML', () => {
    const lines = renderHtmlPage(DETAIL).toString().split('\n');
    assert.deepEqual(
      lines.filter((line) => line.startsWith('<a ')),
      [
        `<a href="demo_loc-1!2.0%2Bcpu.1-py3-none-any.whl#sha256=${SHA}" data-requires-python="&gt;=3,&lt;4" data-yanked="&quot;&gt;&lt;script&gt;&#10;alert(1)" data-core-metadata="sha256=${SHA}" data-dist-info-metadata="sha256=${SHA}" data-size="10" data-upload-time="2024-01-02T03:04:05Z" data-provenance="https://upstream.example/p">demo_loc-1!2.0+cpu.1-py3-none-any.whl</a><br>`,
        '<a href="a%26b%20%3Cc%3E-1.0.zip">a&amp;b &lt;c&gt;-1.0.zip</a><br>',
      ],
    );
    assert.ok(lines.includes('<meta name="pypi:repository-version" content="1.4">'));
    assert.ok(lines.includes('<meta name="pypi:project-status" content="active">'));
    assert.deepEqual(
      Array.from(
        renderHtmlPage(DETAIL)
          .toString()
          .matchAll(/<a [^>]+>([^<]+)<\/a>/g),
        (match) => match[1],
      ),
      ['demo_loc-1!2.0+cpu.1-py3-none-any.whl', 'a&amp;b &lt;c&gt;-1.0.zip'],
      'the pattern by which one client reads the page',
    );
  });

  test('of an empty project is whole', () => {
    const empty = { name: 'x' as ProjectName, versions: [], files: [] };
    assert.equal(
      renderJsonPage(empty).toString(),
      '{"meta":{"api-version":"1.4"},"name":"x","versions":[],"files":[]}',
    );
    assert.match(renderHtmlPage(empty).toString(), /<\/html>\n$/);
  });
});

describe('the project list', () => {
  async function collect(names: Iterable<string>, format: 'json' | 'html'): Promise<string[]> {
    const chunks: string[] = [];
    for await (const chunk of renderProjectList(names, format)) chunks.push(chunk);
    return chunks;
  }

  test('in JSON', async () => {
    assert.deepEqual(JSON.parse((await collect(['a', 'b-c'], 'json')).join('')), {
      meta: { 'api-version': '1.4' },
      projects: [{ name: 'a' }, { name: 'b-c' }],
    });
    assert.deepEqual(JSON.parse((await collect([], 'json')).join('')), {
      meta: { 'api-version': '1.4' },
      projects: [],
    });
  });

  test('in HTML', async () => {
    const html = (await collect(['a', 'b-c'], 'html')).join('');
    assert.match(html, /<a href="a\/">a<\/a><br>\n<a href="b-c\/">b-c<\/a><br>\n<\/body>/);
  });

  test('comes in pieces, as names arrive, and stops when nobody reads on', async () => {
    let made = 0;
    function* names(): Generator<string> {
      for (; made < 100_000; made += 1) yield `project-${made}`;
    }
    const list = renderProjectList(names(), 'json');
    const first = await list.next();
    assert.ok(typeof first.value === 'string' && first.value.length < 40_000);
    assert.ok(made < 2000);
    await list.return();
    const rest = made;
    assert.equal((await list.next()).done, true);
    assert.equal(made, rest);
  });
});
