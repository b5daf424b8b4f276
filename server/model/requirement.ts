import { type Marker, parseMarker, RequirementSyntaxError } from './marker.ts';
import { type ProjectName, projectName } from './project-name.ts';

/** One clause of a version specifier, such as `>=1.0`. */
interface SpecifierClause {
  readonly operator: '~=' | '==' | '!=' | '<=' | '>=' | '<' | '>' | '===';
  /** As written, without blanks; may end in `.*` after `==` and `!=`. */
  readonly version: string;
}

/** A dependency specifier (PEP 508), taken apart. */
export interface Requirement {
  /** As written. */
  readonly name: string;
  readonly project: ProjectName;
  /** As written, in order. */
  readonly extras: readonly string[];
  /** All must hold; empty means any version. Never with `url`. */
  readonly specifier: readonly SpecifierClause[];
  /** A direct reference: what follows `@`, as written. */
  readonly url?: string;
  /** Where `url` stands in the text: first and past the last character. */
  readonly urlSpan?: readonly [start: number, end: number];
  /** The marker as written, without the `;`. */
  readonly marker?: string;
  readonly markerTree?: Marker;
}

// Ours: the longest requirement in public metadata has some 1,500 characters.
const MAX_LENGTH = 16_384;

const PRE = '(?:[-_.]?(?:alpha|beta|preview|pre|a|b|c|rc)[-_.]?[0-9]*)?';
const POST = '(?:-[0-9]+|[-_.]?(?:post|rev|r)[-_.]?[0-9]*)?';
const DEV = '(?:[-_.]?dev[-_.]?[0-9]*)?';
const LOCAL = '(?:\\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?';
const RELEASE = 'v?(?:[0-9]+!)?[0-9]+(?:\\.[0-9]+)*';

/** The version that may follow an operator (PEP 440, version specifiers). */
const VERSIONS: Readonly<Record<SpecifierClause['operator'], RegExp>> = {
  '===': /[^\s;)]*/iy,
  '==': new RegExp(`${RELEASE}(?:\\.\\*|${PRE}${POST}${DEV}${LOCAL})`, 'iy'),
  '!=': new RegExp(`${RELEASE}(?:\\.\\*|${PRE}${POST}${DEV}${LOCAL})`, 'iy'),
  '~=': new RegExp(`v?(?:[0-9]+!)?[0-9]+(?:\\.[0-9]+)+${PRE}${POST}${DEV}`, 'iy'),
  '<=': new RegExp(RELEASE + PRE + POST + DEV, 'iy'),
  '>=': new RegExp(RELEASE + PRE + POST + DEV, 'iy'),
  '<': new RegExp(RELEASE + PRE + POST + DEV, 'iy'),
  '>': new RegExp(RELEASE + PRE + POST + DEV, 'iy'),
};

/** Reads one dependency specifier. Throws `RequirementSyntaxError`. */
export function parseRequirement(text: string): Requirement {
  if (text.length > MAX_LENGTH) throw new RequirementSyntaxError('the requirement is too long', MAX_LENGTH);
  const cursor: Cursor = { text, at: 0 };
  blanks(cursor);
  const start = cursor.at;
  const name = take(cursor, /[A-Za-z0-9][A-Za-z0-9._-]*/y) ?? '';
  const project = projectName(name);
  if (project === undefined) throw new RequirementSyntaxError('expected the name of a project', start);
  blanks(cursor);
  const extras = cursor.text[cursor.at] === '[' ? parseExtras(cursor) : [];
  blanks(cursor);
  const details = cursor.text[cursor.at] === '@' ? parseUrl(cursor) : { specifier: parseSpecifiers(cursor) };
  blanks(cursor);
  const tail = parseTail(cursor);
  return { name, project, extras, specifier: [], ...details, ...tail };
}

/** What a dependency specifier says, or `undefined` when it is none. */
export function requirementIn(text: string): Requirement | undefined {
  try {
    return parseRequirement(text);
  } catch (error) {
    if (error instanceof RequirementSyntaxError) return undefined;
    throw error;
  }
}

/** The one version that the requirement allows (`==1.0`, `===1.0`), as written; `undefined` when it is not a pin. */
export function pinnedVersion(requirement: Requirement): string | undefined {
  const pin = requirement.specifier.find(
    ({ operator, version }) => operator === '===' || (operator === '==' && !version.endsWith('.*')),
  );
  return pin?.version;
}

interface Cursor {
  readonly text: string;
  at: number;
}

function blanks(cursor: Cursor): boolean {
  const start = cursor.at;
  while (cursor.text[cursor.at] === ' ' || cursor.text[cursor.at] === '\t') cursor.at += 1;
  return cursor.at > start;
}

function take(cursor: Cursor, pattern: RegExp): string | undefined {
  pattern.lastIndex = cursor.at;
  const match = pattern.exec(cursor.text);
  if (match === null) return undefined;
  cursor.at = pattern.lastIndex;
  return match[0];
}

function parseExtras(cursor: Cursor): readonly string[] {
  cursor.at += 1;
  const extras: string[] = [];
  blanks(cursor);
  while (cursor.text[cursor.at] !== ']') {
    const extra = take(cursor, /[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?/y);
    if (extra === undefined) throw new RequirementSyntaxError('expected the name of an extra, or "]"', cursor.at);
    extras.push(extra);
    blanks(cursor);
    if (cursor.text[cursor.at] === ']') break;
    if (cursor.text[cursor.at] !== ',') throw new RequirementSyntaxError('expected "," or "]"', cursor.at);
    cursor.at += 1;
    blanks(cursor);
    if (cursor.text[cursor.at] === ']') throw new RequirementSyntaxError('expected the name of an extra', cursor.at);
  }
  cursor.at += 1;
  return extras;
}

function parseUrl(cursor: Cursor): Pick<Requirement, 'url' | 'urlSpan'> {
  cursor.at += 1;
  blanks(cursor);
  const start = cursor.at;
  const url = take(cursor, /[^ \t]+/y);
  if (url === undefined) throw new RequirementSyntaxError('expected an address after "@"', start);
  const end = cursor.at;
  if (!blanks(cursor) && cursor.at < cursor.text.length) {
    throw new RequirementSyntaxError('expected a blank after the address', cursor.at);
  }
  return { url, urlSpan: [start, end] };
}

function parseSpecifiers(cursor: Cursor): readonly SpecifierClause[] {
  const inBrackets = cursor.text[cursor.at] === '(';
  if (inBrackets) cursor.at += 1;
  const clauses: SpecifierClause[] = [];
  for (;;) {
    blanks(cursor);
    const operator = take(cursor, /===|==|~=|!=|<=|>=|<|>/y) as SpecifierClause['operator'] | undefined;
    // A comma may end the list, as the reference implementation has it.
    if (operator === undefined) break;
    take(cursor, /\s+/y);
    const version = take(cursor, VERSIONS[operator]);
    if (version === undefined) throw new RequirementSyntaxError(`expected a version after "${operator}"`, cursor.at);
    clauses.push({ operator, version });
    blanks(cursor);
    if (cursor.text[cursor.at] !== ',') break;
    cursor.at += 1;
  }
  blanks(cursor);
  if (inBrackets) {
    if (cursor.text[cursor.at] !== ')') throw new RequirementSyntaxError('expected ")"', cursor.at);
    cursor.at += 1;
  }
  return clauses;
}

function parseTail(cursor: Cursor): Pick<Requirement, 'marker' | 'markerTree'> {
  if (cursor.at === cursor.text.length) return {};
  if (cursor.text[cursor.at] !== ';') {
    throw new RequirementSyntaxError('expected a version specifier, "@", ";" or the end', cursor.at);
  }
  const markerTree = parseMarker(cursor.text, cursor.at + 1);
  return { marker: cursor.text.slice(cursor.at + 1).trim(), markerTree };
}
