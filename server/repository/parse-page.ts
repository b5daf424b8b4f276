import type { ProjectDetail } from '../model/distribution-file.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import { PageFormatError } from '../simple/page-format-error.ts';
import { parseHtmlPage } from '../simple/parse-html.ts';
import { parseJsonPage } from '../simple/parse-json.ts';
import type { UpstreamPage } from '../upstream/upstream.ts';

/** An upstream's page as our model. Throws `upstream-unavailable` when it is no index page: garbage is an outage, not an answer. */
export function parseUpstreamPage(
  name: ProjectName,
  page: UpstreamPage,
  limits: { readonly maxFiles: number },
): ProjectDetail {
  const detail = parse(name, page);
  if (detail.files.length > limits.maxFiles) {
    const sentence = `The upstream page lists more than ${limits.maxFiles} files, which is the limit here.`;
    throw new Problem('upstream-unavailable', sentence, { retryAfter: 3600 });
  }
  return detail;
}

function parse(name: ProjectName, page: UpstreamPage): ProjectDetail {
  const source = { name, url: page.url };
  try {
    if (page.contentType.endsWith('json')) return parseJsonPage(page.body, source, page.json);
    return parseHtmlPage(page.body, source);
  } catch (error) {
    if (!(error instanceof PageFormatError)) throw error;
    throw new Problem('upstream-unavailable', 'The upstream did not answer with an index page.', {
      cause: error,
      retryAfter: 30,
    });
  }
}
