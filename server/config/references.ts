import { readFile } from 'node:fs/promises';
import { isObject } from '../model/json.ts';
import { coerce, reference } from './coerce.ts';
import { type Complaint, pathText } from './complaints.ts';
import { nodeAt } from './keys.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

interface Resolving {
  readonly root: unknown;
  readonly env: Environment;
  readonly complaints: Complaint[];
  readonly places: Map<string, string>;
}

/**
 * `raw` with every `{"$env": NAME}` and `{"$file": PATH}` replaced by what it refers to; what cannot be had is left out and
 * complained of. A file's last line break is not part of its value. `places`: what was replaced, and what stood there in words.
 */
export async function resolveReferences(
  raw: unknown,
  env: Environment,
): Promise<{ value: unknown; complaints: readonly Complaint[]; places: ReadonlyMap<string, string> }> {
  const complaints: Complaint[] = [];
  const places = new Map<string, string>();
  const value = await resolve(raw, [], { root: raw, env, complaints, places });
  return { value, complaints, places };
}

async function resolve(value: unknown, path: readonly PropertyKey[], on: Resolving): Promise<unknown> {
  const found = reference(value);
  if (found !== undefined) {
    const text = found.kind === '$env' ? fromEnvironment(found.of, path, on) : await fromFile(found.of, path, on);
    if (text !== undefined) {
      on.places.set(pathText(path), `${found.kind === '$env' ? 'the environment variable' : 'the file'} ${found.of}`);
    }
    const node = nodeAt(path, on.root);
    return text === undefined || node === undefined ? text : coerce(text, node);
  }
  if (Array.isArray(value)) return Promise.all(value.map((item, index) => resolve(item, [...path, index], on)));
  if (!isObject(value)) return value;
  const entries: [string, unknown][] = [];
  for (const [key, item] of Object.entries(value)) {
    const resolved = await resolve(item, [...path, key], on);
    if (resolved !== undefined) entries.push([key, resolved]);
  }
  return Object.fromEntries(entries);
}

function fromEnvironment(name: string, path: readonly PropertyKey[], on: Resolving): string | undefined {
  const text = on.env[name];
  if (text === undefined) {
    on.complaints.push({ path: pathText(path), found: `no environment variable ${name}`, expected: 'it to be set' });
  }
  return text;
}

async function fromFile(file: string, path: readonly PropertyKey[], on: Resolving): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).replace(/\r?\n$/, '');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    on.complaints.push({
      path: pathText(path),
      found: `file ${file}, which cannot be read (${code})`,
      expected: 'a readable file',
    });
    return undefined;
  }
}
