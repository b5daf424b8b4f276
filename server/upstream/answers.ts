import type { Clock } from '../clock.ts';
import type { ProjectName } from '../model/project-name.ts';
import { discard, wholeBody } from './body.ts';
import { UpstreamError, upstreamErrorOf } from './errors.ts';
import { checkIndexPage, mediaTypeOf, PAGE_ACCEPT } from './index-page.ts';
import type { UpstreamPage } from './upstream.ts';
import type { Web, WebResponse } from './web.ts';

export interface AskParts {
  readonly web: Web;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly maxBytes: number;
}

/** A project page from one address of an index, tried once. Throws `UpstreamError`. */
export async function askPage(
  parts: AskParts,
  asked: { readonly index: URL; readonly name: ProjectName; readonly etag?: string | undefined },
): Promise<UpstreamPage | 'not-modified' | 'absent'> {
  const { name, etag } = asked;
  const response = await parts.web.request(new URL(`${name}/`, asked.index), {
    signal: parts.signal,
    headers: {
      accept: PAGE_ACCEPT,
      'accept-encoding': 'gzip',
      ...(etag === undefined ? {} : { 'if-none-match': etag }),
    },
  });
  if (response.status !== 200) {
    await discard(response.body, parts.signal);
    if (response.status === 304 && etag !== undefined) return 'not-modified';
    if (response.status === 404 || response.status === 410) return 'absent';
    throw refusal(response, parts.clock);
  }
  const { headers, url } = response;
  const serial = Number(headers['x-pypi-last-serial'] || Number.NaN);
  const page: UpstreamPage = {
    url,
    contentType: mediaTypeOf(headers['content-type']),
    body: await bodyOf(response, parts),
    ...(headers.etag === undefined ? {} : { etag: headers.etag }),
    ...(Number.isSafeInteger(serial) ? { lastSerial: serial } : {}),
  };
  const json = checkIndexPage(name, page);
  return json === undefined ? page : { ...page, json };
}

/** A small document, tried once; `'absent'` for 404 and 410. Throws `UpstreamError`. */
export async function askDocument(
  parts: AskParts,
  asked: { readonly url: URL; readonly accept: string },
): Promise<{ contentType: string; body: Buffer } | 'absent'> {
  const { signal } = parts;
  const headers = { accept: asked.accept, 'accept-encoding': 'gzip' };
  const response = await parts.web.request(asked.url, { signal, headers });
  if (response.status !== 200) {
    await discard(response.body, signal);
    if (response.status === 404 || response.status === 410) return 'absent';
    throw refusal(response, parts.clock);
  }
  return { contentType: mediaTypeOf(response.headers['content-type']), body: await bodyOf(response, parts) };
}

async function bodyOf({ body, headers }: WebResponse, { maxBytes, signal }: AskParts): Promise<Buffer> {
  try {
    const head = { encoding: headers['content-encoding'], length: headers['content-length'] };
    return await wholeBody(body, head, maxBytes);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw upstreamErrorOf(error);
  }
}

/** An answer whose status says that the thing cannot be had now. */
export function refusal(response: WebResponse, clock: Clock): UpstreamError {
  const { status } = response;
  const retryAfterMs = retryAfterOf(response.headers['retry-after'], clock.nowMs());
  const details = { status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  return new UpstreamError(status === 429 ? 'limited' : 'answer', `it answered ${status}`, details);
}

/** Milliseconds from now; `header` is seconds or a date (RFC 9110, 10.2.3). */
function retryAfterOf(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
