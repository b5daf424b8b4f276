import type { Request } from 'express';
import { freePiece } from '../../storage/free-piece.ts';
import { Problem } from '../problem.ts';

/**
 * A body that is the bytes of one file, in pieces, each good until the next is asked for, and the length that it announces (0: none). Throws `malformed-request` for a body that is
 * encoded or a part, and later when it breaks off; `payload-too-large` by the length. `what`: the file in a sentence.
 */
export function wholeBodyOf(
  req: Request,
  { what, maxBytes }: { readonly what: string; readonly maxBytes: number },
): { readonly body: AsyncGenerator<Buffer>; readonly length: number } {
  const encoding = req.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new Problem('malformed-request', `The body must be the ${what} as it is, without a Content-Encoding.`);
  }
  if (req.headers['content-range'] !== undefined) {
    // A part would be taken for the whole (RFC 9110, 14.5).
    throw new Problem('malformed-request', `The body must be the whole ${what}; parts are not put together here.`);
  }
  const length = Number(req.headers['content-length'] ?? 0);
  if (length > maxBytes) {
    throw new Problem('payload-too-large', `The ${what} is larger than the limit of ${maxBytes} bytes.`);
  }
  return { body: pieces(req), length };
}

async function* pieces(req: Request): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of req) {
      yield chunk as Buffer;
      freePiece(chunk as Buffer);
    }
  } catch (error) {
    throw new Problem('malformed-request', 'The body broke off.', { cause: error });
  }
}
