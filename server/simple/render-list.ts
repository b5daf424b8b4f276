import { escapeHtml } from './escape.ts';
import type { PageFormat } from './negotiate.ts';
import { API_VERSION } from './render-json.ts';

const CHUNK_LENGTH = 32 * 1024;

/** The project list (PEP 503, 691) in pieces of about 32 KB, as names arrive; never held whole. The caller ends the generator early when the client leaves. */
export async function* renderProjectList(
  names: AsyncIterable<string> | Iterable<string>,
  format: PageFormat,
): AsyncGenerator<string, void, void> {
  const form = format === 'json' ? JSON_FORM : HTML_FORM;
  let chunk = form.head;
  let separator = '';
  for await (const name of names) {
    chunk += separator + form.entry(name);
    separator = form.separator;
    if (chunk.length < CHUNK_LENGTH) continue;
    yield chunk;
    chunk = '';
  }
  yield chunk + form.tail;
}

interface ListForm {
  readonly head: string;
  readonly separator: string;
  readonly tail: string;
  entry(name: string): string;
}

const JSON_FORM: ListForm = {
  head: `{"meta":{"api-version":"${API_VERSION}"},"projects":[`,
  separator: ',',
  tail: ']}',
  entry: (name) => `{"name":${JSON.stringify(name)}}`,
};

const HTML_FORM: ListForm = {
  head: [
    '<!DOCTYPE html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta name="pypi:repository-version" content="${API_VERSION}">`,
    '<title>Simple index</title>',
    '</head>',
    '<body>',
    '',
  ].join('\n'),
  separator: '',
  tail: '</body>\n</html>\n',
  entry: (name) => `<a href="${escapeHtml(encodeURIComponent(name))}/">${escapeHtml(name)}</a><br>\n`,
};
