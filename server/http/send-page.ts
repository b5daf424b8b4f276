import type { IncomingMessage, ServerResponse } from 'node:http';
import { Problem } from '../problem.ts';
import type { Encoded, RenderedPage } from '../repository/pages.ts';
import type { PageState } from '../repository/repository.ts';
import { cacheStatus } from './cache-status.ts';
import { matchesEtag, passesIfMatch } from './conditional.ts';
import { ReadyHead } from './ready-head.ts';

const HTML_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

interface SendPageOptions {
  readonly contentType: string;
  readonly state: PageState;
  readonly isPublic: boolean;
}

/** Answers with a rendered project page: 200 in the encoding that the client takes, or 304. Throws `precondition-failed`. */
export function sendPage(
  req: IncomingMessage,
  res: ServerResponse,
  page: RenderedPage,
  options: SendPageOptions,
): void {
  const isGzip = page.gzip !== undefined && takesGzip(req.headers['accept-encoding']);
  const encoded = isGzip && page.gzip !== undefined ? page.gzip : page.plain;
  if (!passesIfMatch(req.headers['if-match'], encoded.etag)) {
    throw new Problem('precondition-failed', `The page is ${encoded.etag}, and If-Match names none of that.`);
  }
  const heads = headsOf(encoded, options, isGzip);
  if (matchesEtag(req.headers['if-none-match'], encoded.etag)) {
    heads.unchanged.write(req, res);
    res.end();
    return;
  }
  heads.whole.write(req, res);
  if (req.method === 'HEAD') res.end();
  else if (encoded.text !== undefined) res.end(encoded.text, 'latin1');
  else res.end(encoded.body);
}

interface Heads {
  readonly contentType: string;
  readonly cache: string;
  readonly isPublic: boolean;
  readonly whole: ReadyHead;
  readonly unchanged: ReadyHead;
}

// The heads that went with these bytes last: next time they are mostly the same.
const made = new WeakMap<Encoded, Heads>();

function headsOf(encoded: Encoded, { contentType, state, isPublic }: SendPageOptions, isGzip: boolean): Heads {
  const cache = cacheStatus(state.origin);
  const last = made.get(encoded);
  if (last?.contentType === contentType && last.cache === cache && last.isPublic === isPublic) return last;
  const { body, etag } = encoded;
  const common = [
    ...['Content-Type', contentType],
    ...['ETag', etag],
    ...['Vary', 'Accept, Accept-Encoding'],
    ...['Cache-Control', isPublic ? 'no-cache' : 'private, no-cache'],
    ...['Cache-Status', cache],
    ...['X-Content-Type-Options', 'nosniff'],
    ...(isPublic ? ['Access-Control-Allow-Origin', '*'] : []),
  ];
  const own = [
    ...(contentType.includes('html') ? ['Content-Security-Policy', HTML_POLICY] : []),
    ...(isGzip ? ['Content-Encoding', 'gzip'] : []),
    ...['Content-Length', String(body.length)],
  ];
  const heads: Heads = {
    ...{ contentType, cache, isPublic },
    whole: new ReadyHead({ status: 200, headers: [...common, ...own], length: body.length, cache }),
    unchanged: new ReadyHead({ status: 304, headers: common, length: 0, cache }),
  };
  made.set(encoded, heads);
  return heads;
}

const GZIP = /(?:^|[,\s])gzip(?:\s*;\s*q=([0-9.]+))?(?=\s*(?:,|$))/i;
const ANY = /(?:^|[,\s])\*(?:\s*;\s*q=([0-9.]+))?(?=\s*(?:,|$))/;

/** Does an `Accept-Encoding` header allow gzip? `*` is about what is not named (RFC 9110, 12.5.3). */
export function takesGzip(header: string | string[] | undefined): boolean {
  if (header === undefined) return false;
  const text = Array.isArray(header) ? header.join(',') : header;
  const match = GZIP.exec(text) ?? ANY.exec(text);
  return match !== null && (match[1] === undefined || Number(match[1]) > 0);
}
