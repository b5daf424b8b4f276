import type { IncomingHttpHeaders } from 'node:http';
import { type Digest, parseDigest } from '../../storage/digest.ts';
import { Problem } from '../problem.ts';

/** The value of `Repr-Digest` for these bytes (RFC 9530). */
export function reprDigest(digest: Digest): string {
  return `sha-256=:${Buffer.from(digest, 'hex').toString('base64')}:`;
}

/**
 * What a sender says that its bytes are: `Repr-Digest` or `Content-Digest` (RFC 9530, the same thing for a body without encoding), or
 * `X-Checksum-Sha256`. `undefined` when it says nothing. Throws `malformed-request` when it says it in a way that cannot be
 * checked, or says two things.
 */
export function announcedDigest(headers: IncomingHttpHeaders): Digest | undefined {
  const found = new Set<Digest>();
  for (const name of ['repr-digest', 'content-digest']) {
    const value = headers[name];
    if (value !== undefined) found.add(fromDictionary(String(value)));
  }
  const plain = headers['x-checksum-sha256'];
  if (plain !== undefined) {
    const digest = parseDigest(String(plain).trim());
    if (digest === undefined) throw malformed('X-Checksum-Sha256 is not 64 hexadecimal digits.');
    found.add(digest);
  }
  const [digest, other] = found;
  if (other !== undefined) throw malformed('The headers announce two different digests.');
  return digest;
}

/** A structured dictionary (RFC 9651): `sha-256=:base64:`, perhaps among other algorithms. */
function fromDictionary(value: string): Digest {
  const [, base64] = /(?:^|,)\s*sha-256\s*=\s*:([A-Za-z0-9+/]{43}=):\s*(?:;[^,]*)?(?:,|$)/.exec(value) ?? [];
  // Ignoring it would let the sender believe that the bytes were checked.
  if (base64 === undefined) throw malformed('The digest header has no sha-256=:base64: that can be checked.');
  const digest = parseDigest(Buffer.from(base64, 'base64').toString('hex'));
  if (digest === undefined) throw malformed('The sha-256 of the digest header is malformed.');
  return digest;
}

function malformed(detail: string): Problem {
  return new Problem('malformed-request', detail);
}
