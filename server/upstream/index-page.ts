import type { Digest } from '../../storage/digest.ts';
import { lastSegment } from '../model/address-path.ts';
import { distributionOf } from '../model/filename.ts';
import { isObject, readJson } from '../model/json.ts';
import { type ProjectName, projectName } from '../model/project-name.ts';
import { UpstreamError } from './errors.ts';
import type { UpstreamPage } from './upstream.ts';

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';
const HTML_TYPE = 'application/vnd.pypi.simple.v1+html';

/** What is asked for: JSON, HTML as the second choice (PEP 691). */
export const PAGE_ACCEPT = `${JSON_TYPE}, ${HTML_TYPE};q=0.2, text/html;q=0.1`;

/** Without parameters, lower case. */
export function mediaTypeOf(header: string | undefined): string {
  return (header ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/**
 * Throws `UpstreamError` unless the body is a project page of `name`. A sign-in page or an error page with status 200 is a failure of the
 * upstream, never a project without files: an HTML page must carry the API's marker, be titled as index pages are, or link to at
 * least one distribution of the project; a JSON page must have `files` and, if it names a project, that one. Whoever parses the page
 * looks closer. Answers what a JSON page says.
 */
export function checkIndexPage(name: ProjectName, page: UpstreamPage): unknown {
  if (page.contentType === JSON_TYPE) return checkJson(name, page.body);
  if (page.contentType === 'text/html' || page.contentType === HTML_TYPE) checkHtml(name, page.body.toString());
  else throw new UpstreamError('answer', 'it did not answer with an index page');
  return undefined;
}

function checkJson(name: ProjectName, body: Buffer): unknown {
  const page = readJson(body);
  if (!isObject(page) || !Array.isArray(page.files))
    throw new UpstreamError('answer', 'it did not answer with an index page');
  const version = isObject(page.meta) ? page.meta['api-version'] : undefined;
  // Clients must not read a later major version (PEP 629).
  if (typeof version === 'string' && !/^1(?:\.|$)/.test(version)) {
    throw new UpstreamError('answer', 'it speaks a later version of the simple API');
  }
  if (typeof page.name === 'string' && page.name !== '' && projectName(page.name) !== name) {
    throw new UpstreamError('answer', 'it answered with the page of another project');
  }
  return page;
}

function checkHtml(name: ProjectName, text: string): void {
  if (/<meta[^>]{0,200}pypi:repository-version/i.test(text)) return;
  if (/<(?:title|h1)[^>]{0,200}>\s{0,200}(?:links for|simple index|index of)\b/i.test(text)) return;
  for (const href of hrefsOf(text)) {
    const filename = lastSegment(href.split(/[?#]/, 1)[0] ?? '');
    if (filename !== undefined && isDistributionOf(name, filename)) return;
  }
  throw new UpstreamError('answer', 'it did not answer with an index page');
}

/** Wheels and old sdists spell the project's name each in their own way. */
function isDistributionOf(name: ProjectName, filename: string): boolean {
  if (
    !filename
      .replace(/[-_.]+/g, '-')
      .toLowerCase()
      .startsWith(`${name}-`)
  )
    return false;
  return distributionOf(filename, name).packagetype !== 'other';
}

/**
 * Where the page says that the bytes of this digest are: the file `filename`, or its core metadata when `filename` ends in
 * `.metadata`. `undefined` when it lists no such bytes.
 */
export function findByDigest(page: UpstreamPage, filename: string, sha256: Digest): URL | undefined {
  const isMetadata = filename.endsWith('.metadata');
  const wanted = isMetadata ? filename.slice(0, -'.metadata'.length) : filename;
  const links = page.contentType === JSON_TYPE ? inJson(page, isMetadata, sha256) : inHtml(page, isMetadata, sha256);
  // Wheels of one release mostly have the same core metadata.
  for (const link of links) {
    if (link === undefined || lastSegment(link.pathname) !== wanted) continue;
    link.hash = '';
    if (isMetadata) link.pathname += '.metadata';
    return link;
  }
  return undefined;
}

function* inJson(page: UpstreamPage, isMetadata: boolean, sha256: Digest): Generator<URL | undefined> {
  const said = readJson(page.body);
  if (!isObject(said) || !Array.isArray(said.files)) return;
  for (const file of said.files) {
    if (!isObject(file) || typeof file.url !== 'string') continue;
    const hashes = isMetadata ? (file['core-metadata'] ?? file['dist-info-metadata']) : file.hashes;
    if (isObject(hashes) && String(hashes.sha256).toLowerCase() === sha256)
      yield URL.parse(file.url, page.url.href) ?? undefined;
  }
}

function* inHtml(page: UpstreamPage, isMetadata: boolean, sha256: Digest): Generator<URL | undefined> {
  const text = page.body.toString();
  const base = /<base\s[^>]{0,200}?href\s*=\s*["']?([^"'\s>]{1,2000})/i.exec(text)?.[1];
  const from = URL.parse(base === undefined ? '' : unescapeHtml(base), page.url.href) ?? page.url;
  for (const { href, rest } of linksOf(text)) {
    const says = isMetadata ? rest() : href;
    if (says.toLowerCase().includes(`sha256=${sha256}`)) yield URL.parse(href, from.href) ?? undefined;
  }
}

// Of a tag, on either side of its link.
const MAX_TAG = 8192;
const HREF = /href\s{0,9}=\s{0,9}(?:"([^"]{0,4096})"|'([^']{0,4096})'|([^\s"'>]{1,4096}))/gi;

function* hrefsOf(text: string): Generator<string> {
  for (const link of linksOf(text)) yield link.href;
}

/** The links of a page, each with the text of its tag's other attributes. */
function* linksOf(text: string): Generator<{ readonly href: string; readonly rest: () => string }> {
  for (const match of text.matchAll(HREF)) {
    const { 0: link, index } = match;
    const rest = (): string => {
      const before = text.slice(Math.max(0, index - MAX_TAG), index);
      const after = text.slice(index + link.length, index + link.length + MAX_TAG);
      const end = after.indexOf('>');
      return before.slice(Math.max(0, before.lastIndexOf('<'))) + after.slice(0, end < 0 ? undefined : end);
    };
    yield { href: unescapeHtml(match[1] ?? match[2] ?? match[3] ?? ''), rest };
  }
}

function unescapeHtml(text: string): string {
  return text.replaceAll('&quot;', '"').replaceAll('&#x27;', "'").replaceAll('&amp;', '&');
}
