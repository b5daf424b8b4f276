/** An http(s) address as `URL` writes it. */
interface Address {
  /** Without the fragment. */
  readonly href: string;
  /** Empty, or with its `#`. */
  readonly fragment: string;
}

// Ours, against pages that are made to be large.
const MAX_URL = 8192;

// What `URL` would give back as it is, which takes a hundred times as long to find out: a lower-case host whose last label is a
// word (so that it is no number), without port and punycode, a path of characters that stay, no query.
const ABSOLUTE =
  /^https?:\/\/(?:(?!xn--)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}\/[A-Za-z0-9._~!$&'()*+,;=:@/-]*(#[A-Za-z0-9=&._-]+)?$/;
const DOT_SEGMENT = /\/\.{1,2}(?:[/#]|$)/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._+!-]*(#[A-Za-z0-9=&._-]+)?$/;

/** The address that a page means; relative ones are relative to `base`. `undefined` for what is none, or not http(s). */
export function readAddress(value: unknown, base: URL): Address | undefined {
  if (typeof value === 'string') {
    const plain = plainAddress(value, base);
    if (plain !== undefined) return plain;
  }
  const url = value instanceof URL ? value : parseUrl(value, base);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return undefined;
  const fragment = url.hash;
  url.hash = '';
  return { href: url.href, fragment };
}

/** The address that a page means, whatever its scheme, or `null`. */
export function parseUrl(value: unknown, base: URL): URL | null {
  return typeof value === 'string' && value !== '' && value.length <= MAX_URL ? URL.parse(value, base.href) : null;
}

function plainAddress(text: string, base: URL): Address | undefined {
  if (text.length > MAX_URL) return undefined;
  const name = NAME.exec(text);
  if (name !== null) {
    if (base.search !== '' || base.hash !== '' || !base.protocol.startsWith('http')) return undefined;
    const { href } = base;
    return split(href.slice(0, href.lastIndexOf('/') + 1) + text, name[1]);
  }
  const absolute = ABSOLUTE.exec(text);
  return absolute === null || DOT_SEGMENT.test(text) ? undefined : split(text, absolute[1]);
}

function split(text: string, fragment = ''): Address {
  return { href: text.slice(0, text.length - fragment.length), fragment };
}
