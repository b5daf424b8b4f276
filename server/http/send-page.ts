import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { RenderedPage } from '../repository/pages.ts';
import type { PageState } from '../repository/repository.ts';
import { cacheStatus } from './cache-status.ts';
import { matchesEtag } from './conditional.ts';

const HTML_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Answers with a rendered project page: 200 in the encoding that the client takes, or 304. */
export function sendPage(
  req: IncomingMessage,
  res: ServerResponse,
  page: RenderedPage,
  options: { readonly contentType: string; readonly state: PageState; readonly isPublic: boolean },
): void {
  const { contentType, state } = options;
  const isGzip = page.gzip !== undefined && takesGzip(req.headers['accept-encoding']);
  const encoded = isGzip && page.gzip !== undefined ? page.gzip : page.plain;
  const headers: OutgoingHttpHeaders = {
    'Content-Type': contentType,
    ETag: encoded.etag,
    Vary: 'Accept, Accept-Encoding',
    'Cache-Control': options.isPublic ? 'no-cache' : 'private, no-cache',
    'Cache-Status': cacheStatus(state.origin),
    'X-Content-Type-Options': 'nosniff',
  };
  if (options.isPublic) headers['Access-Control-Allow-Origin'] = '*';
  if (matchesEtag(req.headers['if-none-match'], encoded.etag)) {
    res.writeHead(304, headers).end();
    return;
  }
  if (contentType.includes('html')) headers['Content-Security-Policy'] = HTML_POLICY;
  if (isGzip) headers['Content-Encoding'] = 'gzip';
  headers['Content-Length'] = encoded.body.length;
  res.writeHead(200, headers);
  res.end(req.method === 'HEAD' ? undefined : encoded.body);
}

const GZIP = /(?:^|[,\s])(?:gzip|\*)(?:\s*;\s*q=([0-9.]+))?(?=\s*(?:,|$))/i;

/** Does an `Accept-Encoding` header allow gzip? */
export function takesGzip(header: string | string[] | undefined): boolean {
  if (header === undefined) return false;
  const match = GZIP.exec(Array.isArray(header) ? header.join(',') : header);
  return match !== null && (match[1] === undefined || Number(match[1]) > 0);
}
