/**
 * The secret in an `Authorization` header, or `undefined` when it carries none that we understand. Basic (RFC 7617): the
 * password, whatever the user name is (`__token__` is what upload tools send); with an empty password the user name, since
 * some clients have room for one word only. Bearer (RFC 6750): the token.
 */
export function presentedSecret(authorization: string): string | undefined {
  const [, scheme, value] = /^([A-Za-z]+) +([^\s]+) *$/.exec(authorization) ?? [];
  if (scheme === undefined || value === undefined) return undefined;
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme.toLowerCase() !== 'basic' || !/^[A-Za-z0-9+/]+={0,2}$/.test(value)) return undefined;
  const pair = Buffer.from(value, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  if (colon < 0) return undefined;
  return pair.slice(colon + 1) || pair.slice(0, colon) || undefined;
}
