import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** A token's secret in its outer form: `sc_`, 40 random characters, 6 of checksum. Never stored, never logged. */
export type TokenSecret = string & { readonly __brand: 'TokenSecret' };

// The order that other scannable tokens use for base62 too.
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const PREFIX = 'sc_';
const RANDOM_LENGTH = 40;
const CHECKSUM_LENGTH = 6;
const SHAPE = /^sc_[0-9A-Za-z]{46}$/;

/** A new secret with 238 bits of randomness. */
export function newTokenSecret(): TokenSecret {
  const body = PREFIX + randomDigits(RANDOM_LENGTH);
  return (body + checksum(body)) as TokenSecret;
}

/**
 * `text` as a secret, or `undefined` when its shape or its checksum is wrong: then no look-up is needed. The checksum is CRC-32
 * of all that stands before it, in base62, so that a scanner can tell a token from chance without asking anybody.
 */
export function parseTokenSecret(text: string): TokenSecret | undefined {
  if (!SHAPE.test(text)) return undefined;
  const body = text.slice(0, -CHECKSUM_LENGTH);
  return checksum(body) === text.slice(-CHECKSUM_LENGTH) ? (text as TokenSecret) : undefined;
}

/** What is kept of a secret: its SHA-256 in hex. A slow hash is for passwords; 238 random bits cannot be guessed. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'hex');
}

/** Are two results of `hashSecret` equal? Takes the same time wherever they differ. */
export function sameHash(a: string, b: string): boolean {
  const left = Buffer.from(a, 'latin1');
  const right = Buffer.from(b, 'latin1');
  return left.length === right.length && timingSafeEqual(left, right);
}

/** A new public id of a token. Ids sort by the time they were made; they grant nothing. */
export function newTokenId(nowMs: number): string {
  return nowMs.toString(36).padStart(9, '0') + randomBytes(5).toString('hex');
}

function randomDigits(length: number): string {
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      // 248 = 4 * 62: bytes above would favour the first digits
      if (byte < 248 && text.length < length) text += DIGITS[byte % 62];
    }
  }
  return text;
}

function checksum(body: string): string {
  let rest = crc32(body);
  let text = '';
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    text = DIGITS[rest % 62] + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}
