/** A version that follows PEP 440, taken apart. */
export interface Version {
  /** Normalised text; trailing zeros of the release are kept as written. What file names and pages carry. */
  readonly text: string;
  /** Identity: the same for `1`, `1.0` and `1.0.0`. */
  readonly key: string;
  /** The public part: `text` without its local label. */
  readonly public: string;
  /** The label after `+`, normalised. */
  readonly local?: string;
  /** A pre-release or a development release: not chosen by installers unless asked for. */
  readonly isPrerelease: boolean;
}

// PEP 440, appendix B. Written for exec on trimmed text; every part is linear. Numbers stay text: dates and build numbers go
// beyond what a double holds exactly.
const PATTERN =
  /^v?(?:([0-9]+)!)?([0-9]+(?:\.[0-9]+)*)(?:[-_.]?(alpha|beta|preview|pre|rc|a|b|c)[-_.]?([0-9]*))?(?:-([0-9]+)|[-_.]?(post|rev|r)[-_.]?([0-9]*))?(?:[-_.]?(dev)[-_.]?([0-9]*))?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$/i;

// Ours: the longest public versions have about 60 characters.
const MAX_LENGTH = 512;

const PRE_LETTERS: Readonly<Record<string, string>> = {
  a: 'a',
  alpha: 'a',
  b: 'b',
  beta: 'b',
  c: 'rc',
  pre: 'rc',
  preview: 'rc',
  rc: 'rc',
};

interface Parts {
  readonly epoch: string;
  readonly release: readonly string[];
  readonly pre: readonly [letter: string, number: string] | undefined;
  readonly post: string | undefined;
  readonly dev: string | undefined;
  readonly local: readonly string[];
}

/** A number's text without leading zeros; missing means 0. */
function number(text: string | undefined): string {
  if (text === undefined || text === '') return '0';
  if (text.charCodeAt(0) !== 48 || text.length === 1) return text;
  const stripped = text.replace(/^0+/, '');
  return stripped === '' ? '0' : stripped;
}

function takeApart(text: string): Parts | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const match = PATTERN.exec(text.trim());
  if (match === null) return undefined;
  const [, epoch, release = '', preLetter, preNumber, postImplicit, postLetter, postNumber, dev, devNumber, local] =
    match;
  return {
    epoch: number(epoch),
    release: release.split('.').map(number),
    pre: preLetter === undefined ? undefined : [PRE_LETTERS[preLetter.toLowerCase()] ?? 'rc', number(preNumber)],
    post: postImplicit !== undefined ? number(postImplicit) : postLetter !== undefined ? number(postNumber) : undefined,
    dev: dev === undefined ? undefined : number(devNumber),
    local: local === undefined ? [] : local.toLowerCase().split(/[-_.]/).map(localPart),
  };
}

function localPart(text: string): string {
  return /^[0-9]+$/.test(text) ? number(text) : text;
}

function withoutTrailingZeros(release: readonly string[]): readonly string[] {
  let end = release.length;
  while (end > 0 && release[end - 1] === '0') end -= 1;
  return end === release.length ? release : release.slice(0, end);
}

function join(parts: Parts, release: readonly string[]): { public: string; local: string | undefined } {
  let text = parts.epoch === '0' ? '' : `${parts.epoch}!`;
  text += release.length === 0 ? '0' : release.join('.');
  if (parts.pre !== undefined) text += parts.pre[0] + parts.pre[1];
  if (parts.post !== undefined) text += `.post${parts.post}`;
  if (parts.dev !== undefined) text += `.dev${parts.dev}`;
  return { public: text, local: parts.local.length === 0 ? undefined : parts.local.join('.') };
}

/** The version, or `undefined` when `text` does not follow PEP 440. White space around it is allowed, as the PEP has it. */
export function parseVersion(text: string): Version | undefined {
  const parts = takeApart(text);
  if (parts === undefined) return undefined;
  const { public: publicText, local } = join(parts, parts.release);
  const label = local === undefined ? '' : `+${local}`;
  return {
    text: publicText + label,
    key: join(parts, withoutTrailingZeros(parts.release)).public + label,
    public: publicText,
    ...(local === undefined ? {} : { local }),
    isPrerelease: parts.pre !== undefined || parts.dev !== undefined,
  };
}

// What nearly all versions are: numbers without leading zeros, which are their own normal form.
const PLAIN = /^(?:0|[1-9][0-9]{0,8})(?:\.(?:0|[1-9][0-9]{0,8})){0,9}$/;

/** The normalised text, or `undefined` when `text` does not follow PEP 440. */
export function normaliseVersion(text: string): string | undefined {
  if (PLAIN.test(text)) return text;
  const parts = takeApart(text);
  if (parts === undefined) return undefined;
  const { public: publicText, local } = join(parts, parts.release);
  return local === undefined ? publicText : `${publicText}+${local}`;
}

/**
 * What makes two versions the same release: `1`, `1.0` and `v1.0.0` have one key. A version that does not follow PEP 440 is its own
 * key; it never equals that of one that does.
 */
export function versionKey(text: string): string {
  if (PLAIN.test(text)) return text.endsWith('.0') ? text.replace(/(?:\.0)+$/, '') : text;
  const parts = takeApart(text);
  if (parts === undefined) return text;
  const { public: publicText, local } = join(parts, withoutTrailingZeros(parts.release));
  return local === undefined ? publicText : `${publicText}+${local}`;
}

/** A pre-release or a development release? A version that does not follow PEP 440 counts as one: installers do not choose it. */
export function isPrerelease(text: string): boolean {
  const parts = takeApart(text);
  return parts === undefined || parts.pre !== undefined || parts.dev !== undefined;
}

/** A number whose text order is its numeric order: its length comes first. */
function ordered(digits: string): string {
  return digits.length < 10 ? `${digits.length}${digits}` : `z${String(digits.length).padStart(3, '0')}${digits}`;
}

/**
 * Text that sorts, code unit by code unit, as PEP 440 orders versions. Equal for versions with the same `versionKey`. Versions that
 * do not follow PEP 440 come before all that do, in the order of their text. ASCII for valid versions, so that a byte-wise ordered column may keep it.
 */
export function versionOrderKey(text: string): string {
  const parts = takeApart(text);
  if (parts === undefined) return `0${text}`;
  const { pre, post, dev, local } = parts;
  let key = `1${ordered(parts.epoch)}`;
  for (const piece of withoutTrailingZeros(parts.release)) key += ordered(piece);
  // `!` is below every length mark, so a shorter release sorts as if it went on with zeros.
  key += '!';
  if (pre !== undefined) key += (pre[0] === 'rc' ? 'c' : pre[0]) + ordered(pre[1]);
  else key += post === undefined && dev !== undefined ? '0' : 'z';
  key += post === undefined ? '0' : `1${ordered(post)}`;
  key += dev === undefined ? 'z' : `0${ordered(dev)}`;
  for (const piece of local)
    key += /^[0-9]/.test(piece) && /^[0-9]+$/.test(piece) ? `n${ordered(piece)}` : `a${piece}!`;
  return key;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A total order, for `sort`: PEP 440's, what does not follow it first, and by text where two spell one version. */
export function compareVersions(a: string, b: string): number {
  return compareText(versionOrderKey(a), versionOrderKey(b)) || compareText(a, b);
}

/** A sorted copy, ascending in the order of `compareVersions`; each version is taken apart once. */
export function sortVersions(versions: Iterable<string>): string[] {
  return Array.from(versions, (text) => ({ text, key: versionOrderKey(text) }))
    .sort((a, b) => compareText(a.key, b.key) || compareText(a.text, b.text))
    .map((entry) => entry.text);
}
