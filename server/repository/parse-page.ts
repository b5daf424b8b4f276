import type { ProjectDetail } from '../model/distribution-file.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import { PageFormatError } from '../simple/page-format-error.ts';
import { parseJsonPage } from '../simple/parse-json.ts';
import type { ParsedPage } from '../simple/parsed-page.ts';
import type { UpstreamPage } from '../upstream/upstream.ts';

/** An upstream's page as our model. Throws `upstream-unavailable` when it is no index page: garbage is an outage, not an answer. */
export async function parseUpstreamPage(
  name: ProjectName,
  page: UpstreamPage,
  limits: { readonly maxFiles: number },
): Promise<ProjectDetail> {
  const detail = await parse(name, page);
  if (detail.files.length > limits.maxFiles) {
    const sentence = `The upstream page lists more than ${limits.maxFiles} files, which is the limit here.`;
    throw new Problem('upstream-unavailable', sentence, { retryAfter: 3600 });
  }
  return detail;
}

async function parse(name: ProjectName, page: UpstreamPage): Promise<ProjectDetail> {
  try {
    const parsed = await read(name, page);
    // Never an empty page in place of one that cannot be read.
    if (parsed.files.length === 0 && parsed.dropped > 0) throw new PageFormatError('none of its files can be read');
    return parsed;
  } catch (error) {
    if (!(error instanceof PageFormatError)) throw error;
    throw new Problem('upstream-unavailable', 'The upstream did not answer with an index page.', {
      cause: error,
      retryAfter: 30,
    });
  }
}

async function read(name: ProjectName, page: UpstreamPage): Promise<ParsedPage> {
  const source = { name, url: page.url };
  if (page.contentType.endsWith('json')) return parseJsonPage(page.body, source, page.json);
  // Most upstreams speak JSON, and what this loads unpacks a table of all entities that HTML has: 5 MB, 30 ms.
  const { parseHtmlPage } = await import('../simple/parse-html.ts');
  return parseHtmlPage(page.body, source);
}
