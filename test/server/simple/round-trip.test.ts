import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ProjectDetail } from '../../../server/model/distribution-file.ts';
import type { ProjectName } from '../../../server/model/project-name.ts';
import { parseHtmlPage } from '../../../server/simple/parse-html.ts';
import { parseJsonPage } from '../../../server/simple/parse-json.ts';
import { renderHtmlPage } from '../../../server/simple/render-html.ts';
import { renderJsonPage } from '../../../server/simple/render-json.ts';
import { projectPages } from '../../support/project-pages.ts';
import { pythonJudge } from '../../support/python.ts';

const SOURCE = { name: 'demo' as ProjectName, url: new URL('https://files.example/d/demo/') };

/** What the page must come back as: versions that only files tell, an empty status reason never. */
function withVersions(detail: ProjectDetail, versions: readonly string[]): unknown {
  return { ...detail, versions, dropped: 0 };
}

describe('a page that is rendered and read again is the same', () => {
  test('in JSON', () => {
    fc.assert(
      fc.property(projectPages('json'), (detail) => {
        const read = parseJsonPage(renderJsonPage(detail), SOURCE);
        assert.deepEqual(read, withVersions(detail, read.versions));
        assert.deepEqual(parseJsonPage(renderJsonPage(read), SOURCE), read);
      }),
      { seed: 691 },
    );
  });

  test('in HTML', () => {
    fc.assert(
      fc.property(projectPages('html'), (detail) => {
        const read = parseHtmlPage(renderHtmlPage(detail), SOURCE);
        assert.deepEqual(read, withVersions(detail, read.versions));
      }),
      { seed: 503 },
    );
  });
});

const judge = pythonJudge();
test('pages, judged by pypi-simple', { skip: judge.skip }, () => {
  if (judge.skip !== false) return;
  const details = fc.sample(projectPages('html'), { numRuns: 30, seed: 503 });
  const pages = details.map((detail) => [renderJsonPage(detail).toString(), renderHtmlPage(detail).toString()]);
  const verdicts = judge.ask(
    `
import json as j
from pypi_simple import ProjectPage
def show(page):
    return [page.project, page.repository_version, [[p.filename, p.url, p.digests, p.requires_python, p.is_yanked, p.yanked_reason or None, p.has_metadata] for p in page.packages]]
base = "https://here.example/simple/demo/"
result = [[show(ProjectPage.from_json_data(j.loads(a), base)), show(ProjectPage.from_html("demo", b, base_url=base))] for a, b in data]`,
    pages,
  );
  const ours = details.map((detail) => {
    const page = [
      'demo',
      '1.4',
      detail.files.map((file) => [
        file.filename,
        `https://here.example/simple/demo/${encodeURIComponent(file.filename)}`,
        file.hashes,
        file.requiresPython ?? null,
        file.yanked !== undefined,
        file.yanked === undefined || file.yanked === true ? null : file.yanked,
        file.coreMetadata === undefined ? null : true,
      ]),
    ];
    return [page, page];
  });
  assert.deepEqual(verdicts, ours);
});
