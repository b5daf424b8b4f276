import { nearestOf } from './nearest.ts';

/** For HTTP Basic. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** The `Authorization` to send to an address, if any. */
export type AuthorizationFor = (url: URL) => string | undefined;

/**
 * The `Authorization` of addresses that carry a user; `first` belongs to the first address, in place of its own. It is sent to their origin and to no
 * other. Where several lie on one, as repositories of one server do, each has its own: the longest path that an address is below, else the
 * first.
 */
export function authorizationOf(addresses: readonly URL[], first?: Credentials): AuthorizationFor {
  const known = addresses.flatMap((url, index) => {
    const { username, password } = (index === 0 ? first : undefined) ?? credentialsIn(url);
    if (username === '' && password === '') return [];
    const header = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    return [{ url, header }];
  });
  return (url) => nearestOf(known, url)?.header;
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
