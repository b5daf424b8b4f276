/** A token of a line, with its place in the source text. */
export interface Token {
  /** Quotes removed. */
  readonly text: string;
  /** In the joined text. */
  readonly start: number;
  readonly end: number;
}

/** A line of a requirements file after continuations are joined and the comment is cut off. Never blank. */
export interface LogicalLine {
  /** Of its first physical line, from 1. */
  readonly number: number;
  /** Without comment; blanks at its ends are kept. */
  readonly text: string;
  /** Where a character of `text` stands in the source; the end of `text` is allowed. */
  sourceAt(index: number): number;
}

interface Segment {
  /** First index in the joined text. */
  readonly from: number;
  /** Its place in the source. */
  readonly source: number;
}

// What Python's str.splitlines splits at: a line that we did not see would be one that pip does.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they end lines
const LINE_END = /\r\n|[\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029]/g;
const COMMENT_LINE = /^\s*#/;
const BLANK = /\s/;

/** The logical lines of a requirements file, by the rules of pip. */
export function logicalLines(source: string): readonly LogicalLine[] {
  const lines: LogicalLine[] = [];
  let joined = '';
  let segments: Segment[] = [];
  let first = 0;
  const finish = (): void => {
    const line = logicalLine(joined, { segments, number: first });
    if (line !== undefined) lines.push(line);
    joined = '';
    segments = [];
  };
  let number = 0;
  for (const { text, start } of physicalLines(source)) {
    number += 1;
    if (segments.length === 0) first = number;
    const continues = text.endsWith('\\') && !COMMENT_LINE.test(text);
    const content = continues ? withoutBackslashes(text) : text;
    // A comment line that a continuation runs into must stay one.
    if (!continues && COMMENT_LINE.test(text)) joined += ' ';
    segments.push({ from: joined.length, source: start });
    joined += content;
    if (!continues) finish();
  }
  if (segments.length > 0) finish();
  return lines;
}

function* physicalLines(source: string): Generator<{ text: string; start: number }> {
  let start = source.startsWith('\ufeff') ? 1 : 0;
  for (const match of source.matchAll(LINE_END)) {
    yield { text: source.slice(start, match.index), start };
    start = match.index + match[0].length;
  }
  if (start < source.length) yield { text: source.slice(start), start };
}

function logicalLine(
  joined: string,
  { segments, number }: { segments: readonly Segment[]; number: number },
): LogicalLine | undefined {
  const text = withoutComment(joined);
  if (text.trim() === '') return undefined;
  return {
    number,
    text,
    sourceAt(index) {
      let [low, high] = [0, segments.length - 1];
      while (low < high) {
        const middle = Math.ceil((low + high) / 2);
        if ((segments[middle]?.from ?? 0) <= index) low = middle;
        else high = middle - 1;
      }
      const segment = segments[low];
      return segment === undefined ? 0 : segment.source + index - segment.from;
    },
  };
}

function withoutBackslashes(line: string): string {
  let end = line.length;
  while (line[end - 1] === '\\') end -= 1;
  return line.slice(0, end);
}

/** A comment begins with a `#` at the start or after a blank; a `#` elsewhere belongs to an address. */
function withoutComment(line: string): string {
  for (let at = line.indexOf('#'); at !== -1; at = line.indexOf('#', at + 1)) {
    if (at === 0 || BLANK.test(line[at - 1] ?? '')) return line.slice(0, at);
  }
  return line;
}

/** Splits at blanks outside of quotes, as a shell would. */
export function tokens(text: string, from: number): readonly Token[] {
  const found: Token[] = [];
  const pattern = /(?:[^\s"'\\]|\\.|"[^"]*"|'[^']*'|["'\\])+/g;
  pattern.lastIndex = from;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    found.push({
      text: match[0].replace(
        /"([^"]*)"|'([^']*)'/g,
        (_, double: string | undefined, single: string | undefined) => double ?? single ?? '',
      ),
      start: match.index,
      end: match.index + match[0].length,
    });
  }
  return found;
}
