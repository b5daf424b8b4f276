/** The two forms of a page. */
export type PageFormat = 'json' | 'html';

/** What to answer a request for a page with. */
export interface Negotiated {
  readonly format: PageFormat;
  /** Exactly as `Content-Type` is to be sent. */
  readonly contentType: string;
}

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';
const HTML_TYPE = 'application/vnd.pypi.simple.v1+html';

const JSON_PAGE: Negotiated = { format: 'json', contentType: JSON_TYPE };
const HTML_PAGE: Negotiated = { format: 'html', contentType: HTML_TYPE };
const PLAIN_PAGE: Negotiated = { format: 'html', contentType: 'text/html; charset=utf-8' };

/** What we speak, in the order in which ties are decided. */
const OFFERS: readonly (readonly [type: string, page: Negotiated])[] = [
  [JSON_TYPE, JSON_PAGE],
  [HTML_TYPE, HTML_PAGE],
  ['text/html', PLAIN_PAGE],
];

const NAMES = new Map<string, Negotiated>([
  ...OFFERS,
  ['application/vnd.pypi.simple.latest+json', JSON_PAGE],
  ['application/vnd.pypi.simple.latest+html', HTML_PAGE],
]);

/**
 * Which form of a page to send (PEP 691). `format` is the value of `?format=`, which wins when it names a type that we speak. Of the
 * types that `accept` names the one with the highest quality wins, JSON on ties; where it has only wildcards, is absent, or
 * names nothing that we speak, the answer is `text/html`, as the public index does and as scripts that read HTML expect.
 */
export function negotiate(accept: string | undefined, format?: string): Negotiated {
  // A `+` that was not escaped in the query arrives as a blank.
  const asked = format === undefined ? undefined : NAMES.get(format.replace(' ', '+').toLowerCase());
  if (asked !== undefined) return asked;
  if (accept === undefined || accept === '*/*') return PLAIN_PAGE;
  const ranges = parseAccept(accept);
  const rated = OFFERS.map(([type, page]) => ({ page, ...rate(type, ranges) })).filter((offer) => offer.quality > 0);
  const best = Math.max(0, ...rated.map((offer) => offer.quality));
  const candidates = rated.filter((offer) => offer.quality === best);
  const named = candidates.find((offer) => offer.named);
  if (named !== undefined) return named.page;
  return candidates.some((offer) => offer.page === PLAIN_PAGE) ? PLAIN_PAGE : (candidates[0]?.page ?? PLAIN_PAGE);
}

interface Range {
  readonly type: string;
  readonly quality: number;
}

// Ours: more ranges than that are not looked at.
const MAX_RANGES = 32;

function parseAccept(header: string): readonly Range[] {
  return header.split(',', MAX_RANGES).map((part) => {
    const [type = '', ...parameters] = part.split(';');
    const name = type.trim().toLowerCase().replace('.simple.latest+', '.simple.v1+');
    const quality = parameters
      .map((parameter) => /^\s*q\s*=\s*([0-9.]+)\s*$/i.exec(parameter)?.[1])
      .find((text) => text !== undefined);
    const value = quality === undefined ? 1 : Number(quality);
    return { type: name, quality: Number.isNaN(value) ? 0 : Math.min(value, 1) };
  });
}

/** The quality of the most specific range that covers `type` (RFC 9110, 12.5.1), and whether it names it outright. */
function rate(type: string, ranges: readonly Range[]): { quality: number; named: boolean } {
  const exact = ranges.find((range) => range.type === type);
  if (exact !== undefined) return { quality: exact.quality, named: true };
  const group = `${type.slice(0, type.indexOf('/'))}/*`;
  const wild = ranges.find((range) => range.type === group) ?? ranges.find((range) => range.type === '*/*');
  return { quality: wild?.quality ?? 0, named: false };
}
