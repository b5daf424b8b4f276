import type { Digest } from './digest.ts';

/** Every path and key begins with this; the next hash gets another. */
export const BLOB_FOLDER = 'sha256';

/** `sha256/ab/cd/<hex>`: fixed length, lower case, no word of a user in it. Throws `TypeError` for what is not a digest. */
export function blobPath(digest: Digest): string {
  // A brand can be cast; a path outside the store must not be made from one.
  if (!/^[0-9a-f]{64}$/.test(digest)) throw new TypeError('not a sha256 digest');
  return `${BLOB_FOLDER}/${digest.slice(0, 2)}/${digest.slice(2, 4)}/${digest}`;
}

/** Throws `RangeError` when `range` is not within a blob of `size` bytes. `end = start - 1` is the empty range. */
export function checkRange(range: { readonly start: number; readonly end: number }, size: number): void {
  if (range.start < 0 || range.end < range.start - 1 || range.end >= size) {
    throw new RangeError(`bytes ${range.start}-${range.end} of a blob of ${size}`);
  }
}
