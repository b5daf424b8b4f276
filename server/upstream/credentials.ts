/** For HTTP Basic. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/**
 * `Authorization` headers by origin, for addresses that carry a user; `first` belongs to the first address, in place of its own. What is not
 * in the map is sent to nobody.
 */
export function authorizationOf(addresses: readonly URL[], first?: Credentials): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const [index, url] of addresses.entries()) {
    const { username, password } = (index === 0 ? first : undefined) ?? credentialsIn(url);
    if ((username === '' && password === '') || headers.has(url.origin)) continue;
    headers.set(url.origin, `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`);
  }
  return headers;
}

/** What stands in the address itself; both `''`: nothing does. */
export function credentialsIn(url: URL): Credentials {
  return { username: decoded(url.username), password: decoded(url.password) };
}

/** The address of an index, with a slash at its end and nobody's name in it. */
export function withoutCredentials(address: URL): URL {
  const url = new URL(address);
  url.username = '';
  url.password = '';
  url.search = '';
  url.hash = '';
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}

/** A percent sign that begins no escape stands for itself. */
function decoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => Buffer.from(escapes.replaceAll('%', ''), 'hex').toString());
}
