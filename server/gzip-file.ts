import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { InflateError, inflatePart } from './inflate.ts';

/** The file is not a gzip file of one member and nothing else, or it is damaged. The message is fit for a user. */
export class GzipError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'GzipError';
  }
}

const TRAILER_BYTES = 8;
// A header holds a file name and a comment at most.
const MAX_HEADER_BYTES = 64 * 1024;

/**
 * Decompresses the gzip file at `path` piece by piece (RFC 1952). Strict: exactly one member, nothing before, between or
 * behind, checksum and length right; readers differ on everything else. What `onChunk` throws stops it. Throws `GzipError`; errors of
 * the file system as they are.
 */
export async function gunzipFile(path: string, onChunk: (chunk: Buffer) => void): Promise<void> {
  const { start, size, crc, length } = await ends(path);
  let actualCrc = 0;
  let actualLength = 0;
  try {
    await inflatePart({ path, start, length: size - start - TRAILER_BYTES }, (chunk) => {
      actualCrc = crc32(chunk, actualCrc);
      actualLength += chunk.length;
      onChunk(chunk);
    });
  } catch (error) {
    if (!(error instanceof InflateError)) throw error;
    throw new GzipError('The gzip file is damaged, or something follows its end.', { cause: error });
  }
  if (actualCrc !== crc || actualLength % 2 ** 32 !== length)
    throw new GzipError('The checksum of the gzip file is wrong.');
}

/** Where the compressed data begin, and what the trailer says. */
async function ends(path: string): Promise<{ start: number; size: number; crc: number; length: number }> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const head = (await file.read(Buffer.alloc(MAX_HEADER_BYTES), 0, MAX_HEADER_BYTES, 0)).buffer.subarray(0, size);
    const start = headerLength(head);
    if (start === undefined || size < start + TRAILER_BYTES) throw new GzipError('This is not a gzip file.');
    const trailer = (await file.read(Buffer.alloc(TRAILER_BYTES), 0, TRAILER_BYTES, size - TRAILER_BYTES)).buffer;
    return { start, size, crc: trailer.readUInt32LE(0), length: trailer.readUInt32LE(4) };
  } finally {
    await file.close();
  }
}

function headerLength(head: Buffer): number | undefined {
  if (head.length < 10 || head.readUIntBE(0, 3) !== 0x1f8b08) return undefined;
  const flags = head[3] ?? 0;
  if ((flags & 0xe0) !== 0) return undefined;
  let at: number | undefined = 10;
  if ((flags & 4) !== 0) at = head.length < 12 ? undefined : 12 + head.readUInt16LE(10);
  if ((flags & 8) !== 0) at = afterZero(head, at);
  if ((flags & 16) !== 0) at = afterZero(head, at);
  if ((flags & 2) !== 0 && at !== undefined) at += 2;
  return at;
}

function afterZero(head: Buffer, from: number | undefined): number | undefined {
  const zero = from === undefined ? -1 : head.indexOf(0, from);
  return zero === -1 ? undefined : zero + 1;
}
