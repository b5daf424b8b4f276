import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ByteRange } from '../../storage/blob-store.ts';
import { Problem } from '../problem.ts';
import type { Origin, ServedFile } from '../repository/repository.ts';
import { cacheStatus } from './cache-status.ts';
import { allowsRange, isUnmodifiedSince, matchesEtag, passesIfMatch } from './conditional.ts';
import { parseRange } from './range.ts';
import { ReadyHead } from './ready-head.ts';

export interface SendFileOptions {
  /** More headers, such as `Content-Disposition`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** May shared caches keep it: only where anybody may read it. */
  readonly isPublic: boolean;
  /** Instead of the default: a file never changes under its name, so clients may keep it for ever. */
  readonly cacheControl?: string;
}

// As the public index sends it; `no-transform`, because a proxy that recompresses an archive breaks its hash.
const FOR_EVER = 'max-age=365000000, immutable, no-transform';

/**
 * Answers with a file: 200, 206, 304, or 302 when the store lets the client fetch the bytes itself (GET only: pip's lazy wheel
 * does not follow a redirected HEAD). Never a `Content-Encoding`. Throws `precondition-failed`, `range-not-satisfiable`, and what `file.open()` throws,
 * while nothing is sent; a failure after the first byte destroys the connection, so that a short body never passes for the whole.
 */
export async function sendFile(
  req: IncomingMessage,
  res: ServerResponse,
  file: ServedFile,
  options: SendFileOptions,
): Promise<void> {
  const etag = file.digest === undefined ? undefined : `"${file.digest}"`;
  const write: WriteHead = (status, more, length, origin = file.origin) => {
    const cache = cacheStatus(origin);
    const headers = [...fileHeaders(file, { etag, cache }, options), ...more];
    new ReadyHead({ status, headers, length, cache }).write(req, res);
  };
  if (etag !== undefined && !passesIfMatch(req.headers['if-match'], etag)) {
    throw new Problem('precondition-failed', `The file is ${etag}, and If-Match names none of that.`);
  }
  // Of a channel that was rolled back the older date is the newer answer: dates count where a name means these bytes for good.
  const modifiedAt = options.cacheControl === undefined ? file.modifiedAt : undefined;
  if (hasChangedSince(req, modifiedAt))
    throw new Problem('precondition-failed', 'The file is newer than If-Unmodified-Since.');
  if (clientHasIt(req, { etag, modifiedAt })) {
    write(304, [], 0);
    res.end();
    return;
  }
  if (req.method === 'HEAD' && file.size !== undefined) {
    write(200, ['Content-Length', String(file.size)], 0);
    res.end();
    return;
  }
  const location = req.method === 'GET' ? await file.locate() : undefined;
  if (location !== undefined) {
    const elsewhere = ['Location', location.href, 'Cache-Control', 'no-store', 'Content-Length', '0'];
    new ReadyHead({ status: 302, headers: elsewhere, length: 0, cache: undefined }).write(req, res);
    res.end();
    return;
  }
  await sendBody(req, res, file, { etag, write });
}

function hasChangedSince({ headers }: IncomingMessage, modifiedAt: number | undefined): boolean {
  return headers['if-match'] === undefined && isUnmodifiedSince(headers['if-unmodified-since'], modifiedAt) === false;
}

/** The tag counts where one was sent, else the date. */
function clientHasIt(
  { headers }: IncomingMessage,
  { etag, modifiedAt }: { readonly etag: string | undefined; readonly modifiedAt: number | undefined },
): boolean {
  const tags = headers['if-none-match'];
  if (tags !== undefined) return etag !== undefined && matchesEtag(tags, etag);
  return isUnmodifiedSince(headers['if-modified-since'], modifiedAt) === true;
}

type WriteHead = (status: number, more: readonly string[], length: number, origin?: Origin) => void;

async function sendBody(
  req: IncomingMessage,
  res: ServerResponse,
  file: ServedFile,
  { etag, write }: { readonly etag: string | undefined; readonly write: WriteHead },
): Promise<void> {
  const asked = allowsRange(single(req.headers['if-range']), etag, file.modifiedAt) ? req.headers.range : undefined;
  const rangeOf = (size: number | undefined): ByteRange | 'whole' => {
    const range = size === undefined || req.method === 'HEAD' ? 'whole' : parseRange(asked, size);
    if (range !== 'unsatisfiable') return range;
    const headers = { 'Content-Range': `bytes */${size}` };
    throw new Problem('range-not-satisfiable', `The file has ${size} bytes.`, { headers });
  };
  const expected = rangeOf(file.size);
  const body = await file.open(expected === 'whole' ? undefined : expected);
  try {
    const { size } = body;
    const range = size === file.size ? expected : rangeOf(size);
    if (range === 'whole') {
      write(200, size === undefined ? [] : ['Content-Length', String(size)], size ?? 0, body.origin);
    } else {
      const length = range.end - range.start + 1;
      const part = ['Content-Range', `bytes ${range.start}-${range.end}/${size}`, 'Content-Length', String(length)];
      write(206, part, length, body.origin);
    }
    if (req.method !== 'HEAD') await body.send(range === 'whole' ? undefined : range, res);
    if (!res.destroyed) res.end();
  } catch (error) {
    if (res.headersSent) res.destroy();
    throw error;
  } finally {
    body.close();
  }
}

function fileHeaders(
  file: ServedFile,
  { etag, cache }: { readonly etag: string | undefined; readonly cache: string },
  options: SendFileOptions,
): string[] {
  return [
    ...['Content-Type', file.contentType],
    ...['Accept-Ranges', 'bytes'],
    ...['Cache-Control', options.cacheControl ?? `${options.isPublic ? 'public' : 'private'}, ${FOR_EVER}`],
    ...['Cache-Status', cache],
    ...['X-Content-Type-Options', 'nosniff'],
    // The bytes are somebody's: should a browser show them, they may do nothing (stored XSS).
    ...['Content-Security-Policy', "default-src 'none'; sandbox"],
    ...Object.entries(options.headers ?? {}).flat(),
    ...(etag === undefined ? [] : ['ETag', etag]),
    ...(file.modifiedAt === undefined ? [] : ['Last-Modified', new Date(file.modifiedAt).toUTCString()]),
  ];
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
