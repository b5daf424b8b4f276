import type { IncomingMessage, ServerResponse } from 'node:http';
import { Problem } from '../problem.ts';
import type { ServedFile } from '../repository/repository.ts';
import { cacheStatus } from './cache-status.ts';
import { allowsRange, matchesEtag } from './conditional.ts';
import { parseRange } from './range.ts';

/** What every answer with a file's bytes says besides its length. */
export interface FileHeaders {
  /** More headers, such as `Content-Disposition`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A year and `immutable`, as the public index sends, unless told otherwise. */
  readonly cacheControl?: string;
}

/** A file never changes under its name: clients may keep it for ever (`no-transform`: no proxy may recompress it). */
const IMMUTABLE = 'max-age=365000000, immutable, no-transform';

/**
 * Answers with a file: 200, 206, 304, 416, or 302 when the store lets the client fetch the bytes itself (GET only: pip's lazy
 * wheel does not follow a redirected HEAD). Never a `Content-Encoding`. Throws what `file.open()` throws while nothing is sent;
 * a failure after the first byte destroys the connection, so that a short body is never taken for the whole.
 */
export async function sendFile(
  req: IncomingMessage,
  res: ServerResponse,
  file: ServedFile,
  options: FileHeaders & { readonly isPublic?: boolean } = {},
): Promise<void> {
  const etag = file.digest === undefined ? undefined : `"${file.digest}"`;
  setFileHeaders(res, file, etag, options);
  if (etag !== undefined && matchesEtag(req.headers['if-none-match'], etag)) {
    res.writeHead(304).end();
    return;
  }
  const rangeHeader = allowsRange(req.headers['if-range'], etag, file.modifiedAt) ? req.headers.range : undefined;
  if (req.method === 'HEAD' && file.size !== undefined) {
    sendHead(res, file.size, rangeHeader);
    return;
  }
  if (req.method === 'GET') {
    const location = await file.locate();
    if (location !== undefined) {
      res.setHeader('Cache-Control', 'no-store');
      res.writeHead(302, { Location: location.href, 'Content-Length': 0 }).end();
      return;
    }
  }
  const body = await file.open();
  try {
    const range = body.size === undefined ? 'whole' : parseRange(rangeHeader, body.size);
    if (range === 'unsatisfiable') throw outOfRange(body.size ?? 0);
    if (range === 'whole') {
      res.writeHead(200, body.size === undefined ? {} : { 'Content-Length': body.size });
    } else {
      res.writeHead(206, {
        'Content-Range': `bytes ${range.start}-${range.end}/${body.size}`,
        'Content-Length': range.end - range.start + 1,
      });
    }
    if (req.method === 'HEAD') {
      res.end();
      return;
    }
    await body.send(range === 'whole' ? undefined : range, res);
    if (!res.destroyed) res.end();
  } catch (error) {
    if (res.headersSent) res.destroy(error instanceof Error ? error : undefined);
    throw error;
  } finally {
    body.close();
  }
}

function setFileHeaders(
  res: ServerResponse,
  file: ServedFile,
  etag: string | undefined,
  options: FileHeaders & { readonly isPublic?: boolean },
): void {
  res.setHeader('Content-Type', file.contentType);
  res.setHeader('Accept-Ranges', 'bytes');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  // Uploaded bytes are somebody's: should a browser show them, they may do nothing (stored XSS).
  res.setHeader('Content-Security-Policy', "default-src 'none'; sandbox");
  res.setHeader(
    'Cache-Control',
    options.cacheControl ?? `${options.isPublic === true ? 'public' : 'private'}, ${IMMUTABLE}`,
  );
  res.setHeader('Cache-Status', cacheStatus(file.origin));
  if (etag !== undefined) res.setHeader('ETag', etag);
  if (file.modifiedAt !== undefined) res.setHeader('Last-Modified', new Date(file.modifiedAt).toUTCString());
  for (const [name, value] of Object.entries(options.headers ?? {})) res.setHeader(name, value);
}

function sendHead(res: ServerResponse, size: number, rangeHeader: string | undefined): void {
  const range = parseRange(rangeHeader, size);
  if (range === 'unsatisfiable') throw outOfRange(size);
  if (range === 'whole') res.writeHead(200, { 'Content-Length': size });
  else {
    res.writeHead(206, {
      'Content-Range': `bytes ${range.start}-${range.end}/${size}`,
      'Content-Length': range.end - range.start + 1,
    });
  }
  res.end();
}

function outOfRange(size: number): Problem {
  return new Problem('range-not-satisfiable', `The file has ${size} bytes.`, {
    headers: { 'Content-Range': `bytes */${size}` },
  });
}
