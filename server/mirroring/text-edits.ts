interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Changes to a text by position; what lies between them stays as it is. Changes must not overlap. */
export class TextEdits {
  readonly #text: string;
  readonly #edits: Edit[] = [];
  /** How the text ends its lines. */
  readonly newline: string;

  constructor(text: string) {
    this.#text = text;
    this.newline = /\r?\n/.exec(text)?.[0] ?? '\n';
  }

  /** The text as it was. */
  slice(start: number, end: number): string {
    return this.#text.slice(start, end);
  }

  /** Puts `text`, whose lines end in `\n`, in the place of what stands from `start` to before `end`. */
  replace(start: number, end: number, text: string): void {
    const replacement = this.newline === '\n' ? text : text.replaceAll('\n', this.newline);
    if (this.#text.slice(start, end) !== replacement) this.#edits.push({ start, end, text: replacement });
  }

  insert(at: number, text: string): void {
    this.replace(at, at, text);
  }

  /** The text with all changes made. */
  apply(): string {
    let result = '';
    let at = 0;
    for (const edit of this.#edits.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
      if (edit.start < at) throw new Error('two changes of one text overlap');
      result += this.#text.slice(at, edit.start) + edit.text;
      at = edit.end;
    }
    return result + this.#text.slice(at);
  }
}
