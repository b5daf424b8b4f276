import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

/** The folder `deploy/`. */
export const DEPLOY: string = fileURLToPath(new URL('../../deploy/', import.meta.url));

/** Any part of a parsed YAML file, to be looked into by a path of keys. */
export class Yaml {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }

  /** What is at a path of keys; of nothing is nothing. */
  at(...path: readonly (string | number)[]): Yaml {
    let value = this.value;
    for (const key of path) value = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
    return new Yaml(value);
  }

  get text(): string {
    if (typeof this.value !== 'string') throw new TypeError(`no text: ${JSON.stringify(this.value)}`);
    return this.value;
  }

  get number(): number {
    if (typeof this.value !== 'number') throw new TypeError(`no number: ${JSON.stringify(this.value)}`);
    return this.value;
  }

  get list(): readonly Yaml[] {
    if (!Array.isArray(this.value)) throw new TypeError(`no list: ${JSON.stringify(this.value)}`);
    return this.value.map((item) => new Yaml(item));
  }

  get keys(): readonly string[] {
    return Object.keys(Object(this.value));
  }
}

/** The documents of a file below `deploy/`. Throws for what is not YAML, warnings and keys given twice included. */
export async function readYaml(name: string): Promise<readonly Yaml[]> {
  const documents = parseAllDocuments(await readFile(`${DEPLOY}${name}`, 'utf8'), { uniqueKeys: true, merge: true });
  if (!Array.isArray(documents)) throw new Error(`${name} is empty`);
  return documents.map((document) => {
    const [fault] = [...document.errors, ...document.warnings];
    if (fault !== undefined) throw fault;
    return new Yaml(document.toJS());
  });
}

/** The names in every `{"$env": NAME}` of a configuration file. */
export async function namesInConfig(name: string): Promise<readonly string[]> {
  const text = await readFile(`${DEPLOY}${name}`, 'utf8');
  return [...text.matchAll(/"\$env":\s*"(\w+)"/g)].map(([, variable = '']) => variable).sort();
}
