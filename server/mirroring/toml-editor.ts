import { parse } from 'smol-toml';
import type { LockText } from './lock.ts';
import type { TextEdits } from './text-edits.ts';
import { type PathPart, type Statement, type TomlNode, tomlStatements, tomlString } from './toml-source.ts';

// A text as tools write nearly all of theirs: what stands between the quotes is what it says.
const PLAIN = /^"[^"\\\n\r]*"$/;

/** Changes single values of a TOML document that `readToml` accepts. */
export class TomlEditor {
  readonly #text: string;
  readonly #edits: TextEdits;
  readonly #statements: readonly Statement[];
  /** Statements by the first two and the first three parts of their path, so that those of a package, and of a release, are found at once. */
  readonly #groups = new Map<string, Statement[]>();

  constructor(text: LockText, edits: TextEdits) {
    this.#text = text.content;
    this.#edits = edits;
    this.#statements = tomlStatements(text.content);
    for (const statement of this.#statements) {
      for (const parts of statement.path.length < 3 ? [2] : [2, 3]) {
        const key = groupOf(statement.path, parts);
        const group = this.#groups.get(key);
        if (group === undefined) this.#groups.set(key, [statement]);
        else group.push(statement);
      }
    }
  }

  /** All keys with values, in the order of the text. */
  pairs(): readonly Statement[] {
    return this.#statements.filter((statement) => statement.kind === 'pair');
  }

  /** The value of a key that is written as `key = value`; `undefined` when there is none. */
  value(path: readonly PathPart[]): TomlNode | undefined {
    return this.#under(path).find((statement) => statement.kind === 'pair' && statement.path.length === path.length)
      ?.value;
  }

  /** The value at a path, also inside of inline tables and arrays; `undefined` when it is written as a section or not there. */
  find(path: readonly PathPart[]): TomlNode | undefined {
    for (let length = path.length; length > 1; length -= 1) {
      let node = this.value(path.slice(0, length));
      if (node === undefined) continue;
      for (const part of path.slice(length)) {
        node =
          typeof part === 'number'
            ? node?.items?.[part]
            : node?.entries?.find((entry) => entry.path[0] === part)?.value;
      }
      return node;
    }
    return undefined;
  }

  /** Is there anything at the path, in whatever form? */
  has(path: readonly PathPart[]): boolean {
    return this.#under(path).length > 0;
  }

  /** Changes a text value that stands in the document. */
  changeText(node: TomlNode, change: (text: string) => string | undefined): void {
    const changed = change(this.textOf(node));
    if (changed !== undefined) this.#edits.replace(node.start, node.end, tomlString(changed));
  }

  /** The value of a text that stands in the document; empty when it is none. */
  textOf(node: TomlNode): string {
    const written = this.#text.slice(node.start, node.end);
    if (PLAIN.test(written)) return written.slice(1, -1);
    const value = parse(`x = ${written}`).x;
    return typeof value === 'string' ? value : '';
  }

  /**
   * Gives a key the value `text` (TOML), replacing what is at the path in whatever form, or adds it after the table's other keys; with
   * `undefined` it is removed.
   */
  set(path: readonly PathPart[], text: string | undefined): void {
    const statements = this.#under(path);
    const [first] = statements;
    const key = String(path.at(-1));
    if (
      first?.kind === 'pair' &&
      first.path.length === path.length &&
      first.value !== undefined &&
      text !== undefined
    ) {
      this.#edits.replace(first.value.start, first.value.end, text);
      return;
    }
    for (const statement of statements) this.#edits.replace(statement.start, statement.end, '');
    if (text !== undefined) this.#insertLines(this.#endOfTable(path.slice(0, -1)), `${key} = ${text}\n`);
  }

  /** Replaces the table at the path, in whatever form it is written, by `text`, whole lines that come after all else of its parent. */
  setTable(path: readonly PathPart[], text: string): void {
    const statements = this.#under(path);
    const [first] = statements;
    const isSection = first?.kind === 'header';
    for (const statement of statements)
      if (statement !== first) this.#edits.replace(statement.start, statement.end, '');
    if (first === undefined) this.#insertLines(this.#endOf(path.slice(0, -1)), `\n${text}`);
    else if (isSection) this.#edits.replace(first.start, first.end, text);
    else {
      this.#edits.replace(first.start, first.end, '');
      this.#insertLines(this.#endOf(path.slice(0, -1)), `\n${text}`);
    }
  }

  /** The last line of a document may lack its end. */
  #insertLines(at: number, text: string): void {
    this.#edits.insert(at, at === 0 || this.#text[at - 1] === '\n' ? text : `\n${text}`);
  }

  #under(path: readonly PathPart[]): readonly Statement[] {
    const group = this.#groups.get(groupOf(path, Math.min(path.length, 3))) ?? [];
    return group.filter(({ path: own }) => path.every((part, i) => own[i] === part));
  }

  /** Past the keys that stand directly in a table, before any of its sections. */
  #endOfTable(path: readonly PathPart[]): number {
    const own = this.#under(path);
    const sections = own.findIndex((statement) => statement.kind === 'header' && statement.path.length > path.length);
    return (sections === -1 ? own : own.slice(0, sections)).at(-1)?.end ?? 0;
  }

  #endOf(path: readonly PathPart[]): number {
    return this.#under(path).at(-1)?.end ?? this.#text.length;
  }
}

function groupOf(path: readonly PathPart[], parts: number): string {
  return path.slice(0, Math.max(parts, 2)).join('\0');
}
