import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Clock } from '../clock.ts';
import { refusal } from './answers.ts';
import { discard, drop } from './body.ts';
import { within } from './deadline.ts';
import { UpstreamError } from './errors.ts';
import { FileBody } from './file-body.ts';
import { mediaTypeOf } from './index-page.ts';
import type { Download } from './upstream.ts';
import type { Web, WebResponse } from './web.ts';

export interface FileRequest {
  readonly url: URL;
  readonly filename: string;
  /** The caller knows the digest and will notice other bytes. */
  readonly isVerified: boolean;
  readonly offset: number;
  readonly validator?: string | undefined;
  readonly signal: AbortSignal;
}

export interface FileParts {
  readonly web: Web;
  readonly clock: Clock;
  /** For the head of the answer, connecting and redirects included. */
  readonly timeoutMs: number;
  /** For each pause in the body. */
  readonly idleTimeoutMs: number;
}

/** The head of a file, tried once, and its body to come; `'absent'` for 404 and 410. Throws `UpstreamError`. */
export async function requestFile(parts: FileParts, file: FileRequest): Promise<Download | 'absent'> {
  const { offset, validator, isVerified } = file;
  const asked = offset > 0 && (validator !== undefined || isVerified) ? offset : 0;
  const first = await head(parts, file, asked);
  if (first.status !== 416) return await read(parts, file, { response: first, asked });
  // There is less of it than there was: only from the beginning can that be told.
  return await read(parts, file, { response: await head(parts, file, 0), asked: 0 });
}

function head(parts: FileParts, file: FileRequest, offset: number): Promise<WebResponse> {
  const { validator, url, isVerified, signal } = file;
  const range = { range: `bytes=${offset}-`, ...(validator === undefined ? {} : { 'if-range': validator }) };
  return within({ clock: parts.clock, ms: parts.timeoutMs, signal }, async (limited) => {
    const response = await parts.web.request(url, {
      signal: limited,
      // Length, ranges and digest are those of the file only when it comes as it is.
      headers: { accept: '*/*', 'accept-encoding': 'identity', ...(offset > 0 ? range : {}) },
      mayDowngrade: isVerified,
    });
    if (response.status !== 200 && response.status !== 206) await discard(response.body, limited);
    return response;
  });
}

async function read(
  parts: FileParts,
  file: FileRequest,
  { response, asked }: { readonly response: WebResponse; readonly asked: number },
): Promise<Download | 'absent'> {
  const { status, headers, body } = response;
  if (status !== 200 && status !== 206) {
    if (status === 404 || status === 410) return 'absent';
    throw refusal(response, parts.clock);
  }
  const part = status === 206 ? /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '') : undefined;
  const complaint = complaintOf(response, file, { part, asked });
  if (complaint !== undefined) {
    drop(body);
    throw new UpstreamError('answer', complaint);
  }
  const isPacked = isCompressed(response, file.filename);
  const length = headers['content-length'];
  const told = part ? part[2] : length;
  const size = told === undefined || told === '*' || isPacked ? undefined : Number(told);
  const validatorNow = validatorOf(response);
  const modifiedAt = Date.parse(headers['last-modified'] ?? '');
  return {
    offset: part ? asked : 0,
    body: new FileBody(isPacked ? unpacked(body) : body, parts),
    ...(size === undefined ? {} : { size }),
    ...(validatorNow === undefined ? {} : { validator: validatorNow }),
    ...(Number.isNaN(modifiedAt) ? {} : { modifiedAt }),
  };
}

/** Why the answer is not the file, as far as its head can tell. */
function complaintOf(
  { status, headers }: WebResponse,
  file: FileRequest,
  { part, asked }: { readonly part: RegExpExecArray | null | undefined; readonly asked: number },
): string | undefined {
  if (status === 206 && (!part || Number(part[1]) !== asked)) return 'it answered with another part of the file';
  if (mediaTypeOf(headers['content-type']) === 'text/html' && !/\.html?$/i.test(file.filename)) {
    return 'it answered with a web page instead of the file';
  }
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (!['identity', '', 'gzip', 'x-gzip'].includes(encoding))
    return 'it compresses files that it should send as they are';
  const isDelimited = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
  if (!isDelimited && !file.isVerified) return 'it does not tell where the file ends';
  return undefined;
}

/** Servers that take `.tar.gz` for an encoding send it as it is and say so; any other name means bytes that were packed on the way. */
function isCompressed({ headers }: WebResponse, filename: string): boolean {
  return (headers['content-encoding'] ?? '').includes('gzip') && !/\.t?gz$/i.test(filename);
}

function validatorOf({ headers }: WebResponse): string | undefined {
  const { etag } = headers;
  return etag !== undefined && !etag.startsWith('W/') ? etag : headers['last-modified'];
}

function unpacked(packed: Readable): Readable {
  const gunzip = createGunzip();
  packed.on('error', (error) => gunzip.destroy(error));
  gunzip.on('error', () => packed.destroy());
  gunzip.once('close', () => packed.destroy());
  return packed.pipe(gunzip);
}
