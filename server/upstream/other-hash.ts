import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { Hashes } from '../model/distribution-file.ts';

/** A hash of a file as its page tells it. */
export interface OtherHash {
  readonly algorithm: (typeof ALGORITHMS)[number];
  /** Lower case. */
  readonly hex: string;
}

// The strongest first; the last two are what old indexes have, and better than nothing.
const ALGORITHMS = ['sha512', 'sha384', 'sha224', 'sha1', 'md5'] as const;

/** What a file can be checked by where its page tells no sha256, or `undefined`. */
export function otherHashOf(hashes: Hashes): OtherHash | undefined {
  for (const algorithm of ALGORITHMS) {
    const hex = hashes[algorithm];
    if (hex !== undefined) return { algorithm, hex: hex.toLowerCase() };
  }
  return undefined;
}

/** Has the file at `path` this hash? Rejects when it cannot be read. */
export async function hasHash(path: string, { algorithm, hex }: OtherHash): Promise<boolean> {
  const hash = createHash(algorithm);
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex') === hex;
}
