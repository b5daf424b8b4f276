/** Lower-case hex SHA-256 of a blob's bytes: the only name a blob has. */
export type Digest = string & { readonly __brand: 'Digest' };

/** The digest in `text`, upper case allowed, or `undefined` when it is not 64 hexadecimal digits. */
export function parseDigest(text: string): Digest | undefined {
  return /^[0-9a-fA-F]{64}$/.test(text) ? (text.toLowerCase() as Digest) : undefined;
}
