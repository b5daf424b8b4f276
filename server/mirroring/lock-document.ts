import { parse, TomlError } from 'smol-toml';
import { type ProjectName, projectName } from '../model/project-name.ts';
import { filenameAt } from './direct-url.ts';
import { type LockFault, type LockFile, lockProblem, shown } from './lock.ts';

type Table = Readonly<Record<string, unknown>>;

/** Gathers what is wrong with a document, so that everything is told at once. */
export class Faults {
  readonly #name: string;
  readonly #list: LockFault[] = [];

  /** `name`: of the lock, for the message. */
  constructor(name: string) {
    this.#name = name;
  }

  add(pointer: string, detail: string): void {
    // Enough for a person to see; a document of faults must not become a larger answer.
    if (this.#list.length < 100) this.#list.push({ pointer, detail });
  }

  /** Throws `malformed-request` when something was wrong. */
  throwIfAny(): void {
    if (this.#list.length > 0) throw lockProblem(this.#name, this.#list);
  }
}

/** A table of a document whose values are not known to be of the right kind. A wrong kind is a fault; null counts as absent. */
export class TableReader {
  readonly value: Table;
  /** Path in the document (JSON pointer). */
  readonly pointer: string;
  readonly faults: Faults;

  constructor(value: Table, pointer: string, faults: Faults) {
    this.value = value;
    this.pointer = pointer;
    this.faults = faults;
  }

  fault(key: string, detail: string): void {
    this.faults.add(this.#at(key), detail);
  }

  text(key: string): string | undefined {
    const value = this.#get(key);
    if (value === undefined || typeof value === 'string') return value;
    this.fault(key, 'expected a text');
    return undefined;
  }

  /** A non-negative integer. */
  size(key: string): number | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    this.fault(key, 'expected a whole number');
    return undefined;
  }

  table(key: string): TableReader | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (isTable(value)) return new TableReader(value, this.#at(key), this.faults);
    this.fault(key, 'expected a table');
    return undefined;
  }

  /** An array of tables; absent is empty. */
  tables(key: string): readonly TableReader[] {
    return this.#list(key, 'tables', (item, pointer) =>
      isTable(item) ? new TableReader(item, pointer, this.faults) : undefined,
    );
  }

  /** An array of texts; absent is empty. */
  texts(key: string): readonly string[] {
    return this.#list(key, 'texts', (item) => (typeof item === 'string' ? item : undefined));
  }

  /** The tables under all keys. */
  children(): readonly (readonly [key: string, table: TableReader])[] {
    return Object.keys(this.value).flatMap((key) => {
      const table = this.table(key);
      return table === undefined ? [] : [[key, table] as const];
    });
  }

  /** The normalised name under `name`; absent or not valid is a fault. */
  project(): ProjectName | undefined {
    const text = this.text('name');
    const name = text === undefined ? undefined : projectName(text);
    if (name === undefined) this.fault('name', 'expected the name of a project');
    return name;
  }

  /** `sha256:hex` under `key`, as `[algorithm, hex]` in lower case. */
  hash(key: string): readonly [string, string] | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    const pair = parseHash(text);
    if (pair === undefined) this.fault(key, 'expected a hash such as sha256:0123…');
    return pair;
  }

  #get(key: string): unknown {
    return Object.hasOwn(this.value, key) ? (this.value[key] ?? undefined) : undefined;
  }

  #at(key: string): string {
    return `${this.pointer}/${shown(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
  }

  #list<T>(key: string, what: string, read: (item: unknown, pointer: string) => T | undefined): readonly T[] {
    const value = this.#get(key);
    if (value === undefined) return [];
    if (!Array.isArray(value)) {
      this.fault(key, `expected a list of ${what}`);
      return [];
    }
    return value.flatMap((item: unknown, i) => {
      const pointer = `${this.#at(key)}/${i}`;
      const known = read(item, pointer);
      if (known === undefined) this.faults.add(pointer, `expected one of the ${what}`);
      return known === undefined ? [] : [known];
    });
  }
}

/** `alg:hex` as `[algorithm, hex]` in lower case, of any algorithm with the right number of digits for sha256. */
export function parseHash(text: string): readonly [string, string] | undefined {
  const match = /^([a-z0-9_]{2,20}):([0-9a-f]{8,128})$/i.exec(text);
  if (match === null) return undefined;
  const [, algorithm = '', hex = ''] = match;
  return isDigest(algorithm, hex) ? [algorithm.toLowerCase(), hex.toLowerCase()] : undefined;
}

/** Has a digest the form and, where we know it, the length that it must have? */
export function isDigest(algorithm: string, hex: string): boolean {
  return /^[0-9a-f]+$/i.test(hex) && (algorithm.toLowerCase() !== 'sha256' || hex.length === 64);
}

/** Reads a TOML document. Throws `malformed-request` with the line of the fault. */
export function readToml(name: string, content: string): TableReader {
  const faults = new Faults(name);
  try {
    return new TableReader(
      parse(content.replace(/^\ufeff/, ''), { integersAsBigInt: 'asNeeded', maxDepth: 90 }),
      '',
      faults,
    );
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw lockProblem(name, [{ pointer: `line ${error.line}`, detail: 'it is not valid TOML here' }]);
  }
}

function isTable(value: unknown): value is Table {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The file that an address leads to, by its last part. */
export function fileAt(url: string, more: Omit<LockFile, 'url' | 'filename'> = {}): LockFile {
  const parsed = URL.parse(url);
  const filename = parsed === null ? undefined : filenameAt(parsed);
  return { ...(filename === undefined ? {} : { filename }), url, ...more };
}

/** Is the text an address that a file could be fetched from? */
export function isWebUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.protocol === 'https:' || url.protocol === 'http:');
}

/** The sha256 digests of files, without duplicates. */
export function digestsOf(files: readonly LockFile[]): readonly string[] {
  return [...new Set(files.flatMap((file) => file.sha256 ?? []))];
}
