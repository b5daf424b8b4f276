import { percentDecoded } from '../model/address-path.ts';
import { Problem } from '../problem.ts';
import type { View } from '../repository/repository.ts';

/** An address below an index: `[/index/NAME][/at/INSTANT][/offline]` and what follows. */
export interface IndexPath {
  /** Absent: the default index. */
  readonly index: string | undefined;
  readonly view: View;
  /** What follows the prefix, percent-decoded once; empty segments (pipenv's `//`) are left out. */
  readonly rest: readonly string[];
  readonly endsInSlash: boolean;
}

/**
 * Takes an address (without its query) apart. Throws `malformed-request` for what cannot be decoded, for a segment that could
 * mean a path (`..`, a slash, a backslash, NUL or another control character), and for an instant that is none.
 */
export function parseIndexPath(path: string): IndexPath {
  const segments = path
    .split('/')
    .filter((segment) => segment !== '')
    .map(decodeSegment);
  let index: string | undefined;
  let at: number | undefined;
  let offline = false;
  if (segments[0] === 'index' && segments.length > 1) index = segments.splice(0, 2)[1];
  if (segments[0] === 'at' && segments.length > 1) at = parseInstant(segments.splice(0, 2)[1] ?? '');
  if (segments[0] === 'offline') {
    segments.shift();
    offline = true;
  }
  return {
    index,
    view: at === undefined ? { offline } : { offline, at },
    rest: segments,
    endsInSlash: path.endsWith('/'),
  };
}

const VIEW = /^(?:\/+index\/+[^/]+)?(?:\/+at\/+[^/]+)?(?:\/+offline(?=\/|$))?/;

/** What of an address says which index and which view are meant, as it stands there; empty for the default index as it is now. */
export function viewPrefixOf(path: string): string {
  return VIEW.exec(path)?.[0] ?? '';
}

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const TIME = /^(\d{4}-\d{2}-\d{2})[Tt](?:[01]\d|2[0-3]):\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** Milliseconds of a date (its end in UTC, so that the whole day counts, as in uv) or an RFC 3339 time. Throws `malformed-request`. */
export function parseInstant(text: string): number {
  const time = TIME.exec(text);
  const ms = DATE.test(text) ? Date.parse(`${text}T23:59:59.999Z`) : time === null ? Number.NaN : Date.parse(text);
  if (Number.isNaN(ms) || !isDay(time?.[1] ?? text)) {
    throw new Problem(
      'malformed-request',
      'The instant after /at/ must be a date (2026-01-31) or an RFC 3339 time with a zone.',
    );
  }
  return ms;
}

/** Does the calendar have it? `Date` would take 30 February for 1 March. */
function isDay(date: string): boolean {
  const midnight = Date.parse(`${date}T00:00:00Z`);
  return !Number.isNaN(midnight) && new Date(midnight).toISOString().startsWith(date);
}

function decodeSegment(segment: string): string {
  const text = percentDecoded(segment);
  if (text === undefined) throw new Problem('malformed-request', 'The address is not validly percent-encoded.');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (text === '.' || text === '..' || /[/\\\u0000-\u001f\u007f]/.test(text)) {
    throw new Problem('malformed-request', 'The address holds a character or a step that no name here has.');
  }
  return text;
}
