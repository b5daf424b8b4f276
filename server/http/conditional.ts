/**
 * Does an `If-None-Match` header name this entity tag? Weak comparison, as RFC 9110 (13.1.2) has it for GET and HEAD; a list
 * and `*` are understood. `etag` is with its quotes.
 */
export function matchesEtag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header === etag) return true;
  if (header.trim() === '*') return true;
  const bare = etag.startsWith('W/') ? etag.slice(2) : etag;
  return header.split(',').some((part) => {
    const tag = part.trim();
    return (tag.startsWith('W/') ? tag.slice(2) : tag) === bare;
  });
}

/** Does an `If-Match` header let this entity tag pass? Strong comparison (RFC 9110, 13.1.1). No header: yes. `etag` is with its quotes. */
export function passesIfMatch(header: string | undefined, etag: string): boolean {
  if (header === undefined || header.trim() === '*') return true;
  return header.split(',').some((part) => part.trim() === etag);
}

/**
 * Is the file no newer than the date of an `If-Modified-Since` or `If-Unmodified-Since` header (RFC 9110, 13.1.3, 13.1.4)? `undefined`:
 * there is no such header, or it is no date, or the file has none; it is passed over then.
 */
export function isUnmodifiedSince(header: string | undefined, modifiedAt: number | undefined): boolean | undefined {
  if (header === undefined || modifiedAt === undefined) return undefined;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : wholeSeconds(modifiedAt) <= date;
}

/**
 * Does an `If-Range` header allow the range to be answered? A tag must be the same and strong, a date not before the last
 * change (RFC 9110, 13.1.5). No header: yes.
 */
export function allowsRange(
  header: string | undefined,
  etag: string | undefined,
  modifiedAt: number | undefined,
): boolean {
  if (header === undefined) return true;
  const value = header.trim();
  if (value.startsWith('"')) return etag !== undefined && value === etag;
  if (value.startsWith('W/')) return false;
  const date = Date.parse(value);
  return modifiedAt !== undefined && !Number.isNaN(date) && wholeSeconds(modifiedAt) === date;
}

/** Dates in headers have no fractions. */
function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}
