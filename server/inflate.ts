import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';

/** A deflate stream that is damaged, cut short, or followed by something else. */
export class InflateError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'InflateError';
  }
}

// Larger chunks than Node's 16 KiB: each costs a trip to the thread pool.
const CHUNK_BYTES = 256 * 1024;

/** Part of a file: `length` bytes from `start` on. */
export interface FilePart {
  readonly path: string;
  readonly start: number;
  readonly length: number;
}

/**
 * Decompresses a raw deflate stream (RFC 1951) that has to fill `part` exactly, piece by piece off the event loop. What `onChunk` throws
 * stops it and comes out as it is. Throws `InflateError`; errors of the file system as they are.
 */
export async function inflatePart(part: FilePart, onChunk: (chunk: Buffer) => void): Promise<void> {
  if (part.length === 0) throw new InflateError('the compressed data are empty');
  const end = part.start + part.length - 1;
  const source = createReadStream(part.path, { start: part.start, end, highWaterMark: CHUNK_BYTES });
  const inflate = createInflateRaw({ chunkSize: CHUNK_BYTES });
  try {
    await pipeline(source, inflate, async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) onChunk(chunk);
    });
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')) {
      throw new InflateError('the compressed data are damaged', { cause: error });
    }
    throw error;
  }
  if (inflate.bytesWritten !== part.length) throw new InflateError('something follows the compressed data');
}

/** The bytes of `part` as they are, in pieces that are good until `onChunk` returns. What it throws stops it. */
export async function readPart(part: FilePart, onChunk: (chunk: Buffer) => void): Promise<void> {
  const file = await open(part.path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, part.length));
    let done = 0;
    while (done < part.length) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, part.length - done), part.start + done);
      if (bytesRead === 0) throw new InflateError('the file ends before');
      done += bytesRead;
      onChunk(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}
