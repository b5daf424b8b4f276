import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import type { Dispatcher } from 'undici';
import { UpstreamError } from './errors.ts';

const DECODERS = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
} as const;

export interface BodyHead {
  /** `Content-Encoding`, as sent. */
  readonly encoding?: string | undefined;
  /** `Content-Length`, as sent. */
  readonly length?: string | undefined;
}

/**
 * The whole body, decompressed; destroys `body` when it is too much. Throws `UpstreamError` when it is cut, is longer than `maxBytes`
 * (before or after decompression: a bomb costs no more than that), or has an encoding that nobody asked for.
 */
export async function wholeBody(body: Readable, head: BodyHead, maxBytes: number): Promise<Buffer> {
  const encoding = (head.encoding ?? 'identity').trim().toLowerCase();
  const decode = encoding in DECODERS ? DECODERS[encoding as keyof typeof DECODERS] : undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    if (Number(head.length) > maxBytes) throw tooLarge(maxBytes);
    if (!decode && encoding !== 'identity' && encoding !== '') {
      throw new UpstreamError('answer', 'its answer has an encoding that was not asked for');
    }
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw tooLarge(maxBytes);
      chunks.push(chunk);
    }
  } catch (error) {
    drop(body);
    throw error;
  }
  const bytes = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size);
  if (!decode || size === 0) return bytes;
  try {
    return await decode(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge(maxBytes);
    throw new UpstreamError('answer', 'its answer cannot be decompressed', { cause: error });
  }
}

/**
 * Reads the rest of an answer that nobody wants, when it is short, so that its connection can be used again; cuts it otherwise.
 */
export async function discard(body: Dispatcher.ResponseData['body'], signal: AbortSignal): Promise<void> {
  try {
    await body.dump({ limit: 16 * 1024, signal });
  } catch {
    // An answer that is thrown away may break off; whether time is over is asked where time is measured.
    drop(body);
  }
}

/** Lets go of a body that nobody wants, and of its connection. */
export function drop(body: Readable): void {
  // undici reports an abandoned body as an error of the body; there is nobody to be told.
  body.on('error', () => {});
  body.destroy();
}

function tooLarge(maxBytes: number): UpstreamError {
  return new UpstreamError('here', `its answer is larger than ${maxBytes} bytes`);
}
