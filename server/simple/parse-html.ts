import { Parser } from 'htmlparser2';
import { lastSegment } from '../model/address-path.ts';
import { type DistributionFile, PROJECT_STATUSES, type ProjectStatus } from '../model/distribution-file.ts';
import { distributionOf } from '../model/filename.ts';
import { PageFormatError } from './page-format-error.ts';
import {
  allVersions,
  checkApiVersion,
  checkedBase,
  MAX_DEPTH,
  type PageSource,
  type ParsedPage,
  uniqueFiles,
} from './parsed-page.ts';
import { parseUrl } from './read-address.ts';
import { readFile } from './read-file.ts';

type Attributes = Readonly<Record<string, string | undefined>>;

// Ours: text beyond that is no file name.
const MAX_TEXT = 1024;

/** What is gathered while the page is walked through. */
interface Gathered {
  readonly anchors: { readonly attributes: Attributes; readonly text: string }[];
  readonly metas: Map<string, string>;
  base?: string;
  /** Title or heading as index pages have it. */
  hasIndexTitle: boolean;
  opened: boolean;
  closed: boolean;
}

/**
 * A project page in HTML (PEP 503 and its successors; also plain listings of files) as our model. Relative links are resolved, `<base>`
 * included. Links that cannot be served are left out and counted. Throws `PageFormatError` when the bytes are no such page: cut off, or
 * without the API's marker and without a single link to a distribution, such as a page that asks for a password.
 */
export function parseHtmlPage(body: Buffer, source: PageSource): ParsedPage {
  const text = body.toString('utf8');
  const gathered = gather(text);
  if (gathered.opened && !gathered.closed) throw new PageFormatError('it is cut off');
  if (text.lastIndexOf('<') > text.lastIndexOf('>')) throw new PageFormatError('it is cut off');
  const version = gathered.metas.get('pypi:repository-version');
  if (version !== undefined) checkApiVersion(version);
  const base = checkedBase(
    (gathered.base === undefined ? null : URL.parse(gathered.base, source.url.href)) ?? source.url,
  );
  const read: DistributionFile[] = [];
  let dropped = 0;
  for (const { attributes, text: label } of gathered.anchors) {
    const url = parseUrl(attributes.href, base);
    const filename = filenameOf(url?.pathname ?? '', label, { source, isMarked: version !== undefined });
    if (filename === undefined) continue;
    const file = readFile({ ...rawFile(attributes), filename, url }, base);
    if (file === undefined) dropped += 1;
    else read.push(file);
  }
  if (version === undefined && read.length === 0 && !gathered.hasIndexTitle) {
    throw new PageFormatError('it links to no distribution and does not say that it is an index');
  }
  const files = uniqueFiles(read);
  return {
    name: source.name,
    ...statusOf(gathered.metas),
    versions: allVersions(source.name, [], files),
    files,
    dropped: dropped + read.length - files.length,
  };
}

function gather(text: string): Gathered {
  const gathered: Gathered = { anchors: [], metas: new Map(), hasIndexTitle: false, opened: false, closed: false };
  let anchor: Attributes | undefined;
  let heading = false;
  let words = '';
  let depth = 0;
  const endAnchor = (): void => {
    if (anchor !== undefined) gathered.anchors.push({ attributes: anchor, text: words.trim() });
    anchor = undefined;
  };
  const parser = new Parser(
    {
      onopentag(name, attributes) {
        depth += 1;
        if (depth > MAX_DEPTH) throw new PageFormatError('its elements are nested too deeply');
        if (name === 'a') {
          // One that was not closed ends here, whatever is open within it.
          endAnchor();
          [anchor, words] = [attributes, ''];
        } else if (name === 'title' || name === 'h1') [heading, words] = [true, ''];
        else if (name === 'base') gathered.base ??= attributes.href ?? '';
        else if (name === 'html') gathered.opened = true;
        else if (name === 'meta' && attributes.name !== undefined && gathered.metas.size < 64) {
          gathered.metas.set(attributes.name.toLowerCase(), attributes.content ?? '');
        }
      },
      ontext(piece) {
        if ((anchor !== undefined || heading) && words.length < MAX_TEXT) words += piece;
      },
      onclosetag(name, isImplied) {
        depth -= 1;
        if (name === 'a') endAnchor();
        else if (name === 'title' || name === 'h1') {
          heading = false;
          if (/^\s*(?:links for|simple index|index of)\b/i.test(words)) gathered.hasIndexTitle = true;
        } else if (name === 'html' && !isImplied) gathered.closed = true;
      },
    },
    { decodeEntities: true },
  );
  parser.end(text);
  return gathered;
}

/**
 * The name of the file that a link leads to, or `undefined` when it leads to no file (a parent folder, a home page). As pip does it, the last
 * part of the address counts; the link's text only where the address names no distribution and the text does.
 */
function filenameOf(
  path: string,
  label: string,
  { source, isMarked }: { source: PageSource; isMarked: boolean },
): string | undefined {
  const last = lastSegment(path);
  if (last !== undefined && isDistribution(last, source)) return last;
  if (last !== label && isDistribution(label, source)) return label;
  // Kinds of files that are not known yet: only on a page that says what it is.
  return isMarked && last === label && label.includes('.') ? last : undefined;
}

function isDistribution(filename: string, source: PageSource): boolean {
  return filename.length <= 512 && distributionOf(filename, source.name).packagetype !== 'other';
}

function rawFile(attributes: Attributes) {
  return {
    requiresPython: attributes['data-requires-python'],
    size: attributes['data-size'],
    uploadTime: attributes['data-upload-time'],
    yanked: attributes['data-yanked'],
    coreMetadata: attributes['data-core-metadata'] ?? attributes['data-dist-info-metadata'],
    provenance: attributes['data-provenance'],
  };
}

function statusOf(metas: ReadonlyMap<string, string>): { status?: ProjectStatus; statusReason?: string } {
  const status = PROJECT_STATUSES.find((known) => known === metas.get('pypi:project-status'));
  const reason = metas.get('pypi:project-status-reason');
  if (status === undefined) return {};
  return reason === undefined || reason === '' ? { status } : { status, statusReason: reason.slice(0, 4096) };
}
