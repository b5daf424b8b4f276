import type { ByteRange } from '../../storage/blob-store.ts';

/** `whole`: no range that we serve was asked for. `unsatisfiable`: answer 416. */
export type RangeAnswer = ByteRange | 'whole' | 'unsatisfiable';

// Units are case-insensitive. Numbers beyond what is exact are behind the end of every file all the same.
const ONE_RANGE = /^bytes=\s*(\d*)-(\d*)\s*$/i;

/**
 * What a `Range` header asks of a file of `size` bytes (RFC 9110, 14.2). Several ranges, other units and malformed headers are
 * answered with the whole file, as the RFC allows; no client that was observed sends several.
 */
export function parseRange(header: string | undefined, size: number): RangeAnswer {
  if (header === undefined) return 'whole';
  const match = ONE_RANGE.exec(header);
  if (match === null) return 'whole';
  const [, first = '', last = ''] = match;
  if (first === '') {
    if (last === '') return 'whole';
    const suffix = Number(last);
    if (suffix === 0 || size === 0) return 'unsatisfiable';
    return { start: Math.max(0, size - suffix), end: size - 1 };
  }
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== '' && Number(last) < start) return 'whole';
  return start >= size ? 'unsatisfiable' : { start, end };
}
