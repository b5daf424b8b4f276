import { RequirementSyntaxError } from '../../model/marker.ts';
import { parseRequirement, pinnedVersion, type Requirement } from '../../model/requirement.ts';
import { type DirectUrl, looksLikeUrl, parseDirectUrl } from '../direct-url.ts';
import { type LockEntry, type LockFault, type LockNote, shown } from '../lock.ts';
import { isWebUrl } from '../lock-document.ts';
import { type LogicalLine, logicalLines, tokens } from './requirements-lines.ts';
import { type Option, optionNote, parseOptions } from './requirements-options.ts';

/** A requirement with its places in the text of one file. Places are first and past the last character, in the source. */
export interface FoundEntry {
  readonly entry: LockEntry;
  /** What stands for the project and its source: the requirement without options, or `-e ADDRESS`. */
  readonly span: readonly [number, number];
  /** The address, for archives and version control. */
  readonly urlSpan?: readonly [number, number];
  /** Name and extras as written, when the line has them. */
  readonly head?: string;
  /** Where a marker begins within `span`, after an address; the text from there on is kept. */
  readonly markerStart?: number;
  /** Each `--hash`, with the blanks and continuations before it. */
  readonly hashSpans: readonly (readonly [number, number])[];
  /** Past the last character before comment and blanks. */
  readonly end: number;
}

/** Another file that a line refers to. */
interface Reference {
  readonly kind: 'requirement' | 'constraint';
  readonly file: string;
  readonly place: string;
  /** How many entries of this file come before it. */
  readonly at: number;
}

/** An index that a line names. */
interface FoundIndex {
  readonly url: string;
  readonly span: readonly [number, number];
}

/** One requirements file, read on its own. */
export interface RequirementsFile {
  readonly entries: readonly FoundEntry[];
  readonly references: readonly Reference[];
  readonly indexes: readonly FoundIndex[];
  /** The options that name pages of files elsewhere (`--find-links`), each with its value. */
  readonly links: readonly (readonly [number, number])[];
  readonly notes: readonly LockNote[];
  readonly faults: readonly LockFault[];
}

interface Gathered {
  readonly entries: FoundEntry[];
  readonly references: Reference[];
  readonly indexes: FoundIndex[];
  readonly links: (readonly [number, number])[];
  readonly notes: LockNote[];
  readonly faults: LockFault[];
}

/** Reads one requirements file. `name`: put before line numbers, for parts. Never throws; what is wrong is in `faults`. */
export function scanRequirements(source: string, name?: string): RequirementsFile {
  const found: Gathered = { entries: [], references: [], indexes: [], links: [], notes: [], faults: [] };
  for (const line of logicalLines(source)) {
    const place = name === undefined ? `line ${line.number}` : `${shown(name)} line ${line.number}`;
    const fault = scanLine(line, place, found);
    if (fault !== undefined) found.faults.push({ pointer: place, detail: fault });
  }
  return found;
}

/** Adds what a line says to `found`; the answer is what is wrong with it. */
function scanLine(line: LogicalLine, place: string, found: Gathered): string | undefined {
  if (/\$\{[A-Z0-9_]+\}/.test(line.text)) return 'environment variables are not expanded here';
  const optionsStart = startOfOptions(line.text);
  const options = parseOptions(tokens(line.text, optionsStart));
  if (typeof options === 'string') return options;
  const head = line.text.slice(0, optionsStart);
  if (head.trim() !== '') return scanRequirement(line, { place, found, options, head });
  for (const option of options) {
    const fault = scanOption(line, option, { place, found });
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** As pip does it: options begin with the first word that begins with `-`. */
function startOfOptions(text: string): number {
  return /(?:^|\s)-/.exec(text)?.index ?? text.length;
}

function scanOption(
  line: LogicalLine,
  option: Option,
  { place, found }: { place: string; found: Gathered },
): string | undefined {
  const note = optionNote(option.name);
  const isLink = option.name === 'find-links' && isWebUrl(option.value);
  if (note !== undefined) {
    const more = isLink ? '; the rewritten lock does without it' : '';
    found.notes.push({ place, detail: `--${option.name} ${note}${more}.` });
  }
  if (isLink) found.links.push([line.sourceAt(option.start), line.sourceAt(option.end)]);
  switch (option.name) {
    case 'requirement':
    case 'constraint':
      found.references.push({ kind: option.name, file: option.value, place, at: found.entries.length });
      return undefined;
    case 'index-url':
    case 'pypi-url':
    case 'extra-index-url':
      found.indexes.push({ url: option.value, span: [line.sourceAt(option.valueStart), line.sourceAt(option.end)] });
      return undefined;
    case 'editable':
      return scanEditable(line, option, { place, found });
    case 'hash':
      return 'a --hash belongs to a requirement, on the same line or after a backslash';
    default:
      return undefined;
  }
}

function scanEditable(
  line: LogicalLine,
  option: Option,
  { place, found }: { place: string; found: Gathered },
): string | undefined {
  const span = [line.sourceAt(option.start), line.sourceAt(option.end)] as const;
  const read = looksLikeUrl(option.value) ? bareUrl(option.value) : named(option.value);
  const rest = { span, hashSpans: [], end: span[1] };
  if (typeof read === 'string' || read.direct?.source.kind !== 'vcs') {
    found.entries.push({ entry: localEntry(option.value, place), ...rest });
    return undefined;
  }
  const { direct, head, urlSpan: _urlSpan, markerAt: _markerAt, ...described } = read;
  found.entries.push({
    entry: { place, ...described, source: direct.source, hashes: [], files: [] },
    urlSpan: [line.sourceAt(option.valueStart), span[1]],
    ...(head === undefined ? {} : { head }),
    ...rest,
  });
  return undefined;
}

function localEntry(what: string, place: string): LockEntry {
  return { place, source: { kind: 'local', what: shown(what) }, hashes: [], files: [] };
}

interface RequirementParts {
  readonly place: string;
  readonly found: Gathered;
  readonly options: readonly Option[];
  /** The line's text before its options. */
  readonly head: string;
}

function scanRequirement(line: LogicalLine, parts: RequirementParts): string | undefined {
  const { place, found, options } = parts;
  const text = parts.head.trim();
  const start = parts.head.length - parts.head.trimStart().length;
  const hashes = readHashes(options);
  if (typeof hashes === 'string') return hashes;
  const read = looksLikeUrl(text) ? bareUrl(text) : looksLikePath(text) ? { local: text } : named(text);
  if (typeof read === 'string') return read;
  const span = [line.sourceAt(start), line.sourceAt(start + text.length)] as const;
  const last = options.at(-1);
  const end = last === undefined ? span[1] : line.sourceAt(last.end);
  const hashSpans = options.flatMap((option, i) => {
    if (option.name !== 'hash') return [];
    const before = i === 0 ? start + text.length : (options[i - 1]?.end ?? option.start);
    return [[line.sourceAt(before), line.sourceAt(option.end)] as const];
  });
  if ('local' in read) {
    found.entries.push({ entry: localEntry(read.local, place), span, hashSpans, end });
    return undefined;
  }
  const { urlSpan, markerAt, head, direct, ...described } = read;
  const other = [...hashes.other, ...(direct?.otherHash === undefined ? [] : [direct.otherHash])];
  const inUrl = direct?.source.kind === 'archive' && direct.source.sha256 !== undefined ? [direct.source.sha256] : [];
  found.entries.push({
    entry: {
      place,
      ...described,
      source: direct?.source ?? { kind: 'index' },
      hashes: [...new Set([...hashes.sha256, ...inUrl])],
      ...(other.length === 0 ? {} : { otherHashes: other }),
      files: [],
    },
    span,
    ...(urlSpan === undefined
      ? {}
      : { urlSpan: [line.sourceAt(start + urlSpan[0]), line.sourceAt(start + urlSpan[1])] }),
    ...(markerAt === undefined ? {} : { markerStart: line.sourceAt(start + markerAt) }),
    ...(head === undefined ? {} : { head }),
    hashSpans,
    end,
  });
  return undefined;
}

function readHashes(options: readonly Option[]): { sha256: readonly string[]; other: readonly string[] } | string {
  const sha256: string[] = [];
  const other: string[] = [];
  for (const option of options) {
    if (option.name !== 'hash') continue;
    const match = /^(sha256|sha384|sha512):([0-9a-f]+)$/i.exec(option.value);
    const [, algorithm = '', hex = ''] = match ?? [];
    const length = { sha256: 64, sha384: 96, sha512: 128 }[algorithm.toLowerCase()];
    if (length === undefined || hex.length !== length)
      return 'a --hash is not sha256, sha384 or sha512 with as many hex digits as it needs';
    if (length === 64) sha256.push(hex.toLowerCase());
    else other.push(`${algorithm}:${hex}`.toLowerCase());
  }
  return { sha256, other };
}

/** What no path of a project would have in it: an error in JSON that was saved as a lock is none that installs. */
const ODD_IN_PATHS = /["{}<>|*?]/;

function looksLikePath(text: string): boolean {
  if (/^(?:[./~]|[a-zA-Z]:[\\/])/.test(text)) return true;
  const word = /^[^\s;@[<>=!~]+/.exec(text)?.[0] ?? '';
  if (ODD_IN_PATHS.test(word)) return false;
  return /[\\/]/.test(word) || /\.(?:whl|zip|tar\.gz|tgz|tar\.bz2|tar\.xz|tar)$/i.test(word);
}

type Described = Pick<LockEntry, 'project' | 'version' | 'specifier' | 'extras' | 'marker'> & {
  readonly direct?: DirectUrl;
  readonly head?: string;
  /** In the requirement's text. */
  readonly urlSpan?: readonly [number, number];
  readonly markerAt?: number;
};

function named(text: string): Described | string {
  let requirement: Requirement;
  try {
    requirement = parseRequirement(text);
  } catch (error) {
    if (!(error instanceof RequirementSyntaxError)) throw error;
    return `${error.message}, at "${shown(text.slice(error.at, error.at + 20))}"`;
  }
  const extras = requirement.extras.length === 0 ? {} : { extras: requirement.extras };
  const marker = requirement.marker === undefined ? {} : { marker: requirement.marker };
  const { project } = requirement;
  if (requirement.url === undefined || requirement.urlSpan === undefined) {
    const version = pinnedVersion(requirement);
    const specifier = requirement.specifier.map((clause) => clause.operator + clause.version).join(',');
    const demand = version !== undefined ? { version } : specifier === '' ? {} : { specifier };
    return { project, ...demand, ...extras, ...marker };
  }
  const direct = parseDirectUrl(requirement.url);
  if (direct === undefined) return 'the address is not one of http, https or a version control system';
  const head = `${requirement.name}${requirement.extras.length === 0 ? '' : `[${requirement.extras.join(',')}]`}`;
  const version = direct.version === undefined ? {} : { version: direct.version };
  const markerAt = requirement.urlSpan[1];
  return { project, ...version, ...extras, ...marker, direct, head, urlSpan: requirement.urlSpan, markerAt };
}

/** An address without a name before it, which pip allows; a marker follows after `; `. */
function bareUrl(text: string): Described | string {
  const url = /^[^\s]+?(?=\s|;\s|$)/.exec(text)?.[0] ?? text;
  const rest = text.slice(url.length).trim();
  if (rest !== '' && !rest.startsWith(';')) return 'expected ";" or the end after an address';
  const direct = parseDirectUrl(url);
  if (direct === undefined) return 'the address is not one of http, https or a version control system';
  const { project, version, extras } = direct;
  const known = {
    ...(project === undefined ? {} : { project }),
    ...(version === undefined ? {} : { version }),
    ...(extras === undefined ? {} : { extras }),
  };
  const marker = rest === '' ? {} : { marker: rest.slice(1).trim() };
  return { ...known, ...marker, direct, urlSpan: [0, url.length], markerAt: url.length };
}
