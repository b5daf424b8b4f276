import type { z } from 'zod';
import { isObject } from '../model/json.ts';
import { chosen, type KeyNode, nodeAt, typesOf, valueAt } from './keys.ts';

/** One thing that is wrong with the configuration. */
export interface Complaint {
  /** Where, such as `limits.uploadBytes`, or the environment variable or file that it is about. */
  readonly path: string;
  readonly found: string;
  readonly expected: string;
}

/** The configuration cannot be used. `complaints` has everything that is wrong with it; never empty. */
export class ConfigError extends Error {
  readonly complaints: readonly Complaint[];
  constructor(complaints: readonly Complaint[]) {
    super(complaints.map(complaintLine).join('\n'));
    this.name = 'ConfigError';
    this.complaints = complaints;
  }
}

/** A complaint for people. */
function complaintLine({ path, found, expected }: Complaint): string {
  return `${path}: found ${found}, expected ${expected}`;
}

/** `indexes.main.repositories[0]`. */
export function pathText(path: readonly PropertyKey[]): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += text === '' ? String(step) : `.${String(step)}`;
  }
  return text === '' ? 'the configuration' : text;
}

/** What zod found wrong with `raw`, in our words. */
export function complaintsOf(issues: readonly z.core.$ZodIssue[], raw: unknown): Complaint[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        path: pathText([...issue.path, key]),
        found: 'an unknown key',
        expected: knownKeys(key, issue.path, raw),
      }));
    }
    return [{ path: pathText(issue.path), found: foundAt(issue, raw), expected: expectation(issue, raw) }];
  });
}

const SECRET = /password|secret|accessKeyId/i;

function foundAt(issue: z.core.$ZodIssue, raw: unknown): string {
  if (issue.code === 'invalid_key') return `the name ${JSON.stringify(issue.path.at(-1))}`;
  return shown(valueAt(raw, issue.path), issue.path);
}

/** A value as a complaint shows it: short, and without secrets. */
function shown(value: unknown, path: readonly PropertyKey[]): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (isObject(value)) return 'an object';
  if (typeof value !== 'string') return JSON.stringify(value);
  if (SECRET.test(String(path.at(-1)))) return 'a text';
  // A password that should have been percent-encoded may hold anything, an @ included.
  const text = JSON.stringify(value.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, '$1…@'));
  return text.length > 80 ? `${text.slice(0, 77)}…"` : text;
}

function expectation(issue: z.core.$ZodIssue, raw: unknown): string {
  const node = nodeAt(issue.path, raw);
  if (issue.code === 'invalid_union' && issue.discriminator !== undefined) {
    return oneOf(kindsOf(nodeAt(issue.path.slice(0, -1), raw)));
  }
  // Messages of our own are expectations; those of zod begin with a capital letter.
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? 'another name';
  if (!/^[A-Z]/.test(issue.message)) return issue.message;
  return node === undefined ? issue.message : describeNode(node);
}

/** What a node takes, in words. */
export function describeNode(node: KeyNode): string {
  if (node.oneOf !== undefined) return `an object with "kind" ${oneOf(kindsOf(node))}`;
  if (node.enum !== undefined) return oneOf(node.enum);
  if (node.const !== undefined) return JSON.stringify(node.const);
  const types = typesOf(node);
  const words = [...types].map((type) => (type === 'integer' ? wholeNumber(node) : (WORDS[type] ?? type)));
  return words.join(' or ');
}

const WORDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  null: 'null',
};

function wholeNumber(node: KeyNode): string {
  const bounds = node.anyOf?.find((part) => part.minimum !== undefined) ?? node;
  if (bounds.minimum === undefined) return 'a whole number';
  if (bounds.maximum === undefined || bounds.maximum === Number.MAX_SAFE_INTEGER)
    return `a whole number of at least ${bounds.minimum}`;
  return `a whole number from ${bounds.minimum} to ${bounds.maximum}`;
}

function kindsOf(node: KeyNode | undefined): unknown[] {
  return (node?.oneOf ?? []).map((branch) => branch.properties?.kind?.const);
}

function oneOf(values: readonly unknown[]): string {
  const texts = values.map((value) => JSON.stringify(value));
  return texts.length === 1 ? (texts[0] ?? '') : `one of ${texts.join(', ')}`;
}

function knownKeys(key: string, path: readonly PropertyKey[], raw: unknown): string {
  const node = nodeAt(path, raw);
  const here = node && chosen(node, valueAt(raw, path));
  const keys = Object.keys(here?.properties ?? {});
  const near = keys.find((known) => isNear(known, key));
  if (near !== undefined) return `"${near}"`;
  const other = node?.oneOf?.find((branch) => branch.properties && Object.hasOwn(branch.properties, key));
  if (other !== undefined) return `it only with "kind": ${JSON.stringify(other.properties?.kind?.const)}`;
  return keys.length === 0 ? 'no key here' : oneOf(keys);
}

/** Are two names the same but for case, signs, or a letter or two? */
function isNear(a: string, b: string): boolean {
  const [x, y] = [fold(a), fold(b)];
  if (x === y) return true;
  return Math.min(x.length, y.length) > 3 && distance(x, y) <= 2;
}

/** A name for comparison: lower case, without `_`, `-` and `.`. */
export function fold(name: string): string {
  return name.toLowerCase().replace(/[-_.]/g, '');
}

/** Edit distance, by rows. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
