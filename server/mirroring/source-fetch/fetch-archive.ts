import { createHash, type Hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Spooled } from '../../../storage/blob-store.ts';
import { type Digest, parseDigest } from '../../../storage/digest.ts';
import { DigestMismatchError, SpoolLimitError } from '../../../storage/errors.ts';
import { Spool } from '../../../storage/spool.ts';
import { Problem } from '../../problem.ts';
import { drop } from '../../upstream/body.ts';
import { filenameAt } from '../direct-url.ts';
import { shown } from '../lock.ts';
import type { SourceWeb } from './source-web.ts';

export interface ArchiveOptions {
  readonly web: SourceWeb;
  readonly spoolDir: string;
  readonly maxBytes: number;
  /** Bytes that can still be stored. */
  readonly spareBytes: () => Promise<number>;
}

/** What the lock demands of the bytes: nothing, or one of several hashes. */
export interface ExpectedHashes {
  /** Lower-case hex. */
  readonly sha256: readonly string[];
  /** `alg:hex` of other algorithms, for when there is no sha256. */
  readonly others: readonly string[];
}

/** An archive that was fetched whole. */
export interface FetchedArchive {
  /** To be kept, or discarded. */
  readonly spooled: Spooled;
  /** The last part of its address, with the suffix of what it is. */
  readonly basename: string;
  discard(): Promise<void>;
}

/**
 * Fetches an archive once, checks its hash, and that it is one. Throws `Problem`: what `SourceWeb.get` throws, `payload-too-large`,
 * `upstream-mismatch`, `not-accepted` (no archive), `storage-full`.
 */
export async function fetchArchive(
  url: string,
  expected: ExpectedHashes,
  options: ArchiveOptions & { readonly signal: AbortSignal },
): Promise<FetchedArchive> {
  const { web, spoolDir, maxBytes, spareBytes, signal } = options;
  const isVerified = expected.sha256.length > 0 || expected.others.length > 0;
  return await web.get(url, { signal, isVerified }, async ({ body, headers, url: final }) => {
    const encoding = headers['content-encoding'] ?? 'identity';
    if (encoding.toLowerCase() !== 'identity') {
      drop(body);
      throw new Problem(
        'upstream-unavailable',
        `${final.host} sends ${shown(url)} in an encoding that was not asked for.`,
      );
    }
    const told = Number(headers['content-length']);
    if (told > maxBytes) {
      drop(body);
      throw tooLarge(url, maxBytes);
    }
    if ((await spareBytes()) < (Number.isFinite(told) ? told : 0)) {
      drop(body);
      throw new Problem('storage-full', `There is no room for ${shown(url)}.`);
    }
    const spool = await Spool.create(spoolDir, { maxBytes });
    const discard = (): Promise<void> => spool.discard();
    try {
      const { spooled, head } = await received(body, spool, { url, expected });
      const basename = named(URL.parse(url) ?? final, head);
      if (basename === undefined) {
        throw new Problem(
          'not-accepted',
          `What ${final.host} sends for ${shown(url)} is no archive, but perhaps a page of it.`,
        );
      }
      return { spooled, basename, discard };
    } catch (error) {
      await discard();
      drop(body);
      if (error instanceof SpoolLimitError) throw tooLarge(url, maxBytes);
      if (error instanceof DigestMismatchError) throw mismatch(url, error.actual, error.expected);
      throw error;
    }
  });
}

async function received(
  body: Readable,
  spool: Spool,
  { url, expected }: { readonly url: string; readonly expected: ExpectedHashes },
): Promise<{ readonly spooled: Spooled; readonly head: Buffer }> {
  const [only, another] = expected.sha256;
  const others = only === undefined ? hashesOf(expected.others) : [];
  let head = Buffer.alloc(0);
  for await (const chunk of body as AsyncIterable<Buffer>) {
    if (head.length < 512) head = Buffer.concat([head, chunk.subarray(0, 512)]);
    for (const { hash } of others) hash.update(chunk);
    await spool.write(chunk);
  }
  const sha256 = only === undefined || another !== undefined ? undefined : parseDigest(only);
  const spooled = await spool.finish(sha256);
  if (only !== undefined && !expected.sha256.includes(spooled.digest))
    throw mismatch(url, spooled.digest, expected.sha256.join(' or '));
  const digests = others.map(({ hash, wanted }) => ({ actual: hash.digest('hex'), wanted }));
  const [first] = digests;
  if (first !== undefined && !digests.some(({ actual, wanted }) => actual === wanted))
    throw mismatch(url, first.actual, first.wanted);
  return { spooled, head };
}

const ALGORITHMS = new Set(['md5', 'sha1', 'sha224', 'sha384', 'sha512']);

function hashesOf(others: readonly string[]): readonly { readonly hash: Hash; readonly wanted: string }[] {
  return others.flatMap((text) => {
    const [algorithm = '', wanted = ''] = text.split(':');
    return ALGORITHMS.has(algorithm) ? [{ hash: createHash(algorithm), wanted }] : [];
  });
}

// What pip unpacks, by its first bytes.
const KINDS: readonly (readonly [first: string, suffix: string, names: RegExp])[] = [
  ['504b0304', '.zip', /\.(?:zip|whl)$/i],
  ['1f8b', '.tar.gz', /\.(?:tar\.gz|tgz)$/i],
  ['425a68', '.tar.bz2', /\.(?:tar\.bz2|tbz2?)$/i],
  ['fd377a585a00', '.tar.xz', /\.(?:tar\.xz|txz)$/i],
];

/** The file's name, with the suffix of what it is where the address has another; `undefined`: no archive. */
function named(url: URL, head: Buffer): string | undefined {
  const first = head.subarray(0, 8).toString('hex');
  const kind = KINDS.find(([bytes]) => first.startsWith(bytes));
  if (kind === undefined) return undefined;
  const [, suffix, names] = kind;
  const last = filenameAt(url) ?? 'archive';
  return names.test(last) ? last : `${last}${suffix}`;
}

function tooLarge(url: string, maxBytes: number): Problem {
  return new Problem('payload-too-large', `${shown(url)} is larger than ${maxBytes} bytes (fetch.maxBytes).`);
}

function mismatch(url: string, actual: Digest | string, wanted: string): Problem {
  return new Problem('upstream-mismatch', `${shown(url)} has the hash ${actual} by now, and the lock wants ${wanted}.`);
}
