import type { Hash } from 'node:crypto';
import type { Writable } from 'node:stream';
import type { ByteRange } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import { Problem } from '../problem.ts';
import type { OtherHash } from './other-hash.ts';

export interface Expected {
  readonly sha256?: Digest;
  /** Only counts while the digest is not known, and for what is stored. */
  readonly otherHash?: OtherHash;
  /** Bytes. Only counts while the digest is not known. */
  readonly size?: number;
}

export interface PassThrough {
  readonly filename: string;
  /** From `from` to the end of the file. */
  readonly bytes: AsyncIterable<Buffer>;
  readonly from: number;
  /** SHA-256 of what comes before `from`. */
  readonly hash: Hash;
  readonly expected: Expected;
  readonly range: ByteRange | undefined;
  readonly out: Writable;
}

/**
 * Sends what `range` wants of a file that is kept nowhere, and checks all of it: the last piece waits until digest or length are known to be
 * right, so that nothing wrong ever ends cleanly. Throws `upstream-mismatch`. Returns early when `out` has gone.
 */
export async function passThrough({ bytes, from, hash, expected, range, out, filename }: PassThrough): Promise<void> {
  let at = from;
  let held: Buffer | undefined;
  for await (const chunk of bytes) {
    hash.update(chunk);
    const piece = partOf(chunk, at, range);
    at += chunk.length;
    if (piece.length > 0) {
      if (held && !(await write(out, held))) return;
      held = piece;
    }
    if (isGone(out)) return;
  }
  const digest = hash.digest('hex');
  if (expected.sha256 !== undefined ? digest !== expected.sha256 : at !== (expected.size ?? at)) {
    throw mismatch(filename);
  }
  if (held) await write(out, held);
}

/** The upstream sent other bytes than it promised. */
export function mismatch(filename: string): Problem {
  return new Problem('upstream-mismatch', `The upstream sent other bytes of ${filename} than its page promises.`, {
    retryAfter: 5,
  });
}

/** Has the receiver left? */
export function isGone(out: Writable): boolean {
  return out.destroyed || out.errored !== null;
}

function partOf(chunk: Buffer, at: number, range: ByteRange | undefined): Buffer {
  if (!range) return chunk;
  return chunk.subarray(Math.max(0, range.start - at), Math.max(0, range.end + 1 - at));
}

/** At the pace of `out`; `false` when it has gone. */
function write(out: Writable, bytes: Buffer): Promise<boolean> {
  if (isGone(out)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const closed = (): void => resolve(false);
    out.once('close', closed);
    out.write(bytes, (error) => {
      out.off('close', closed);
      resolve(!error);
    });
  });
}
