const CANONICAL = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z$/;
const LOOSE = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9})\d*)?\s?(Z|UTC|[+-]\d\d:?\d\d)?$/i;

/**
 * A time as PEP 700 has it, `yyyy-mm-ddThh:mm:ss[.ffffff]Z`, from what upstreams send: other offsets are converted, none means UTC,
 * digits beyond microseconds fall off. `undefined` when it is no time: one strict client refuses a whole page for one bad value.
 */
export function normaliseUploadTime(text: string): string | undefined {
  if (CANONICAL.test(text)) return isTime(text) ? text : undefined;
  const match = LOOSE.exec(text.trim());
  if (match === null) return undefined;
  const [, date = '', time = '', fraction, zone = 'Z'] = match;
  const digits = fraction === undefined ? '' : `.${fraction.slice(0, 6)}`;
  const utc = /^(?:Z|UTC|[+-]00:?00)$/i.test(zone);
  const instant = Date.parse(`${date}T${time}${utc ? 'Z' : zone.replace(/^(.\d\d):?/, '$1:')}`);
  if (Number.isNaN(instant) || !isTime(`${date}T${time}Z`)) return undefined;
  const iso = new Date(instant).toISOString();
  return /^\d{4}-/.test(iso) ? `${iso.slice(0, 19)}${digits}Z` : undefined;
}

/** Does the calendar have it? `Date` would move 30 February to March, and is slow for thousands of files. */
function isTime(text: string): boolean {
  const part = (start: number, end: number): number => Number(text.slice(start, end));
  const [month, day] = [part(5, 7), part(8, 10)];
  if (month < 1 || month > 12 || day < 1 || part(11, 13) > 23 || part(14, 16) > 59 || part(17, 19) > 59) return false;
  return day <= 28 || day <= new Date(Date.UTC(part(0, 4), month, 0)).getUTCDate();
}
