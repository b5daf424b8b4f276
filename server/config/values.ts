import { isIP } from 'node:net';
import { z } from 'zod';
import { percentDecoded } from '../model/address-path.ts';

/** An address with its credentials taken out, so that it can be logged and shown. */
export interface IndexAddress {
  /** Absolute http(s) address without user information, with a final slash. */
  readonly url: string;
  readonly username: string | null;
  readonly password: string | null;
}

/** `text` as an http(s) address and the credentials in it, or `undefined`. */
export function parseIndexAddress(text: string): IndexAddress | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (!['http:', 'https:'].includes(url.protocol) || url.hostname === '') return undefined;
  if (url.search !== '' || url.hash !== '') return undefined;
  const username = percentDecoded(url.username);
  const password = percentDecoded(url.password);
  // A stray % is a typing mistake, and is reported as one.
  if (username === undefined || password === undefined) return undefined;
  url.username = '';
  url.password = '';
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  const known = username !== '' || password !== '';
  return { url: url.href, username: known ? username : null, password: known ? password : null };
}

const expectedUrl = 'an http(s) address such as "https://index.example/simple/"';

/** An address of an index, with or without credentials in it. */
export function indexAddress() {
  return z
    .string({ error: expectedUrl })
    .transform((text, context): IndexAddress => {
      const address = parseIndexAddress(text);
      if (address === undefined) context.addIssue({ code: 'custom', message: expectedUrl });
      return address ?? { url: text, username: null, password: null };
    })
    .meta({ reads: 'address' });
}

const expectedPlainUrl = 'an http(s) address without credentials such as "https://index.example/pypi"';

/** An http(s) address, kept as it is written. */
export function plainUrl() {
  return z
    .string({ error: expectedPlainUrl })
    .refine((text) => URL.canParse(text) && /^https?:\/\/[^/@]+(\/|$)/i.test(text), { error: expectedPlainUrl })
    .meta({ reads: 'address' });
}

/** A file or folder; relative to the working directory. */
export function path() {
  return z.string({ error: 'a path' }).min(1, { error: 'a path' }).meta({ reads: 'path' });
}

/** A name that is part of our addresses: lower case letters, digits, `-`, `_` and `.` inside. */
export const plainName = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/;
export const expectedName =
  'a name of lower-case letters, digits, "-", "_" and "." (at most 64, none but letters and digits at the ends)';

/** A project or application name, or one that ends in `*`, in any spelling; normalised (PEP 503) for comparison. */
export function namePattern() {
  const expected = 'a name such as "acme-tools", or one that ends in "*" such as "acme-*"';
  return z
    .string({ error: expected })
    .regex(/^(?:\*|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|[A-Za-z0-9][A-Za-z0-9._-]*\*)$/, { error: expected })
    .transform((text) => text.replace(/[-_.]+/g, '-').toLowerCase())
    .meta({ reads: 'pattern' });
}

/** The name of an application, or one that ends in `*`; as it is written, since such names are compared so. */
export function appPattern() {
  const expected = 'a name such as "My_App", or one that ends in "*" such as "team-*"';
  return z
    .string({ error: expected })
    .regex(/^(?:\*|[A-Za-z0-9][A-Za-z0-9._+-]*\*?)$/, { error: expected })
    .meta({ reads: 'pattern' });
}

/** An IP address or a network in CIDR form. */
export function network() {
  const expected = 'an IP address or a network such as "10.0.0.0/8"';
  return z.string({ error: expected }).refine(isNetwork, { error: expected }).meta({ reads: 'network' });
}

function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

/** `host` or `host:port`. */
export function hostName() {
  const expected = 'a host such as "git.example" or "git.example:8443"';
  return z
    .string({ error: expected })
    .refine((text) => /^[^\s/@?#]+$/.test(text) && URL.canParse(`https://${text}`), { error: expected })
    .transform((text) => text.toLowerCase())
    .meta({ reads: 'host' });
}
