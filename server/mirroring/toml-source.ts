import { parse } from 'smol-toml';

/** A key, or the position in an array of tables. */
export type PathPart = string | number;

/** A line or lines of a TOML document: a table's header, or a key with its value. */
export interface Statement {
  readonly kind: 'header' | 'pair';
  /** Whole, positions included: `['package', 3, 'source']`. */
  readonly path: readonly PathPart[];
  /** From the beginning of its line to past the end of its last line. */
  readonly start: number;
  readonly end: number;
  /** Of a pair: its value. */
  readonly value?: TomlNode;
}

/** A value in the text, first and past the last character. */
export interface TomlNode {
  readonly start: number;
  readonly end: number;
  /** Of an inline table, in order. */
  readonly entries?: readonly { readonly path: readonly string[]; readonly value: TomlNode }[];
  /** Of an array, in order. */
  readonly items?: readonly TomlNode[];
}

/**
 * Where things stand in a TOML document, so that a part can be changed and the rest stays as it is. Only for texts that `smol-toml` has
 * parsed: that they are well-formed is not checked again.
 */
export function tomlStatements(text: string): readonly Statement[] {
  const scanner = new Scanner(text);
  const tables = new Map<string, number>();
  const statements: Statement[] = [];
  let table: readonly PathPart[] = [];
  for (;;) {
    scanner.skip({ lines: true });
    if (scanner.isAtEnd()) return statements;
    const start = scanner.lineStart();
    if (scanner.peek() === '[') {
      const { keys, isArray } = scanner.header();
      table = resolveHeader(keys, { isArray, tables });
      statements.push({ kind: 'header', path: table, start, end: scanner.finishLine() });
    } else {
      const keys = scanner.key();
      scanner.expect('=');
      const value = scanner.value();
      statements.push({ kind: 'pair', path: [...table, ...keys], start, end: scanner.finishLine(), value });
    }
  }
}

/** Puts in the positions of the tables of arrays: the last one of each that the header passes through. */
function resolveHeader(
  keys: readonly string[],
  { isArray, tables }: { isArray: boolean; tables: Map<string, number> },
): readonly PathPart[] {
  const path: PathPart[] = [];
  keys.forEach((key, i) => {
    path.push(key);
    const id = JSON.stringify(path);
    const last = tables.get(id);
    if (isArray && i === keys.length - 1) {
      const index = last === undefined ? 0 : last + 1;
      tables.set(id, index);
      path.push(index);
    } else if (last !== undefined) path.push(last);
  });
  return path;
}

const BARE_KEY = /[A-Za-z0-9_-]+/y;
const BARE_VALUE = /[^,\]}#\n]+/y;
// Ours: smol-toml allows deeper nesting than any lock has.
const MAX_DEPTH = 100;

class Scanner {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    if (text.startsWith('\ufeff')) this.#at = 1;
  }

  isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  peek(): string | undefined {
    return this.#text[this.#at];
  }

  lineStart(): number {
    return this.#text.lastIndexOf('\n', this.#at - 1) + 1;
  }

  /** Passes blanks and comments; `lines`: also the ends of lines. */
  skip({ lines }: { readonly lines: boolean }): void {
    for (;;) {
      const char = this.peek();
      if (char === ' ' || char === '\t' || (lines && (char === '\n' || char === '\r'))) this.#at += 1;
      else if (char === '#') this.#at = this.#endOfLine();
      else return;
    }
  }

  /** Passes what is left of the line, and its end. */
  finishLine(): number {
    this.#at = Math.min(this.#endOfLine() + 1, this.#text.length);
    return this.#at;
  }

  expect(char: string): void {
    this.skip({ lines: true });
    if (this.peek() !== char) throw new Error('the TOML document is not as it was parsed');
    this.#at += 1;
  }

  header(): { keys: readonly string[]; isArray: boolean } {
    const isArray = this.#text[this.#at + 1] === '[';
    this.#at += isArray ? 2 : 1;
    const keys = this.key();
    this.expect(']');
    if (isArray) this.expect(']');
    return { keys, isArray };
  }

  key(): readonly string[] {
    const keys: string[] = [];
    for (;;) {
      this.skip({ lines: false });
      keys.push(this.#simpleKey());
      this.skip({ lines: false });
      if (this.peek() !== '.') return keys;
      this.#at += 1;
    }
  }

  value(): TomlNode {
    this.skip({ lines: true });
    const start = this.#at;
    const char = this.peek();
    if (char === '[' || char === '{') {
      if (this.#depth >= MAX_DEPTH) throw new Error('the TOML document is nested too deeply');
      this.#depth += 1;
      const node = char === '[' ? this.#array(start) : this.#inlineTable(start);
      this.#depth -= 1;
      return node;
    }
    if (char === '"' || char === "'") this.#string(char);
    else this.#at = this.#endOf(BARE_VALUE);
    return { start, end: start + this.#text.slice(start, this.#at).trimEnd().length };
  }

  #array(start: number): TomlNode {
    const items: TomlNode[] = [];
    this.#at += 1;
    for (;;) {
      this.skip({ lines: true });
      if (this.peek() === ']') break;
      items.push(this.value());
      this.skip({ lines: true });
      if (this.peek() === ',') this.#at += 1;
      else if (this.peek() !== ']') throw new Error('the TOML document is not as it was parsed');
    }
    this.#at += 1;
    return { start, end: this.#at, items };
  }

  #inlineTable(start: number): TomlNode {
    const entries: { path: readonly string[]; value: TomlNode }[] = [];
    this.#at += 1;
    for (;;) {
      this.skip({ lines: true });
      if (this.peek() === '}') break;
      const path = this.key();
      this.expect('=');
      entries.push({ path, value: this.value() });
      this.skip({ lines: true });
      if (this.peek() === ',') this.#at += 1;
      else if (this.peek() !== '}') throw new Error('the TOML document is not as it was parsed');
    }
    this.#at += 1;
    return { start, end: this.#at, entries };
  }

  #simpleKey(): string {
    const start = this.#at;
    const quote = this.peek();
    if (quote === '"' || quote === "'") {
      this.#string(quote);
      const [key] = Object.keys(parse(`${this.#text.slice(start, this.#at)} = 0`));
      return key ?? '';
    }
    const end = this.#endOf(BARE_KEY);
    if (end === start) throw new Error('the TOML document is not as it was parsed');
    this.#at = end;
    return this.#text.slice(start, end);
  }

  #string(quote: string): void {
    const text = this.#text;
    const isLong = text.startsWith(quote.repeat(3), this.#at);
    const end = isLong ? quote.repeat(3) : quote;
    const from = this.#at + end.length;
    let close = text.indexOf(end, from);
    while (close !== -1 && quote === '"' && this.#isEscaped(close, from)) close = text.indexOf(end, close + 1);
    if (close === -1) throw new Error('the TOML document is not as it was parsed');
    this.#at = close + end.length;
    // Up to two more quotes may stand before the closing three.
    while (isLong && text[this.#at] === quote) this.#at += 1;
  }

  /** Does an odd number of backslashes stand before it, in a string that begins at `from`? */
  #isEscaped(at: number, from: number): boolean {
    let first = at;
    while (first > from && this.#text[first - 1] === '\\') first -= 1;
    return (at - first) % 2 === 1;
  }

  /** Past what a sticky pattern takes from here. */
  #endOf(pattern: RegExp): number {
    pattern.lastIndex = this.#at;
    return pattern.test(this.#text) ? pattern.lastIndex : this.#at;
  }

  #endOfLine(): number {
    const end = this.#text.indexOf('\n', this.#at);
    return end === -1 ? this.#text.length : end;
  }
}

/** A text as a TOML value. For addresses, names and digests: without control characters that JSON and TOML spell differently. */
export function tomlString(text: string): string {
  return JSON.stringify(text).replaceAll('\u007f', '\\u007f');
}
