import type { Token } from './requirements-lines.ts';

/** An option of a line. */
export interface Option {
  /** Long name without dashes. */
  readonly name: string;
  readonly value: string;
  /** In the line's text: where the option begins, where its value begins and where both end. */
  readonly start: number;
  readonly valueStart: number;
  readonly end: number;
}

interface OptionKind {
  readonly short?: string;
  readonly hasValue: boolean;
  /** What following it or not means for a mirrored lock; absent: nothing to tell. */
  readonly note?: string;
}

const KINDS: Readonly<Record<string, OptionKind>> = {
  requirement: { short: 'r', hasValue: true },
  constraint: { short: 'c', hasValue: true },
  editable: { short: 'e', hasValue: true },
  hash: { hasValue: true },
  'require-hashes': { hasValue: false },
  'index-url': { short: 'i', hasValue: true, note: 'names an index; files are looked for in the index asked instead' },
  'pypi-url': { hasValue: true, note: 'names an index; files are looked for in the index asked instead' },
  'extra-index-url': { hasValue: true, note: 'names another index, which is not asked' },
  'find-links': { short: 'f', hasValue: true, note: 'names a place with files, which is not looked at' },
  'no-index': { hasValue: false, note: 'forbids indexes; an installer would find nothing here' },
  'trusted-host': { hasValue: true },
  pre: { hasValue: false, note: 'allows pre-releases; only pinned versions are mirrored' },
  'prefer-binary': { hasValue: false },
  'no-binary': { hasValue: true, note: 'makes an installer build from source; mirror with sdists' },
  'only-binary': { hasValue: true },
  'use-feature': { hasValue: true },
  'config-settings': { short: 'C', hasValue: true },
  'global-option': { hasValue: true },
  'install-option': { hasValue: true },
};

/** What an option means for a mirrored lock, as the end of a sentence that begins with its name. */
export function optionNote(name: string): string | undefined {
  return Object.hasOwn(KINDS, name) ? KINDS[name]?.note : undefined;
}

/** Reads options up to the end of the line. A text is what is wrong with them. */
export function parseOptions(found: readonly Token[]): readonly Option[] | string {
  const options: Option[] = [];
  for (let i = 0; i < found.length; i += 1) {
    const token = found[i];
    if (token === undefined) break;
    const match = /^(?:--([a-z][a-z-]*)(=(.*))?|-([a-zA-Z])(.*))$/s.exec(token.text);
    if (match === null) return 'something stands between the options that is none';
    const [, long, , inline, short, rest] = match;
    const name = long ?? Object.keys(KINDS).find((key) => KINDS[key]?.short === short);
    const kind = name !== undefined && Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
    if (name === undefined || kind === undefined)
      return `the option ${long === undefined ? `-${short}` : `--${long}`} is not known`;
    const attached = long === undefined ? (rest === '' ? undefined : rest?.replace(/^=/, '')) : inline;
    if (!kind.hasValue) {
      if (attached !== undefined) return `the option --${name} takes no value`;
      options.push({ name, value: '', start: token.start, valueStart: token.end, end: token.end });
      continue;
    }
    if (attached !== undefined) {
      options.push({
        name,
        value: attached,
        start: token.start,
        // The value's own quotes belong to it; `text` has them no longer.
        valueStart: token.start + token.text.length - attached.length,
        end: token.end,
      });
      continue;
    }
    i += 1;
    const value = found[i];
    if (value === undefined) return `the option --${name} lacks its value`;
    options.push({ name, value: value.text, start: token.start, valueStart: value.start, end: value.end });
  }
  return options;
}
