import { isObject } from '../model/json.ts';
import { coerce, isScalar } from './coerce.ts';
import { type Complaint, fold, pathText } from './complaints.ts';
import { chosen, entryNode, type KeyNode, rootNode, typesOf, valueAt } from './keys.ts';
import type { Environment } from './references.ts';

const PREFIX = 'STORMCELLAR_';

// Read elsewhere: by the command line, at start, and by the tests.
const NOT_KEYS = /^(CONFIG|ADMIN_TOKEN|URL|TOKEN|ENGINES|(TEST|BENCH|CI)_.*)$/;

// Kubernetes puts the addresses of a service called "stormcellar" into the environment of every pod beside it. A port alone, as in
// STORMCELLAR_LISTEN_PORT=9000, is a key that somebody has misspelt.
const SERVICE_LINK = /^(\w*_)?(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;
const SERVICE_PORT = /^(\w*_)?PORT$/;

/** A value from the environment, and where it goes. */
export interface Override {
  readonly variable: string;
  readonly path: readonly string[];
}

/**
 * Puts every `STORMCELLAR_…` variable in its place in `raw`, which is changed: `__` separates levels; case, `_`, `-` and `.`
 * do not count. What names no key is complained of.
 */
export function applyEnvironment(
  raw: Record<string, unknown>,
  env: Environment,
): { overrides: readonly Override[]; complaints: readonly Complaint[] } {
  const overrides: Override[] = [];
  const complaints: Complaint[] = [];
  for (const variable of Object.keys(env).sort()) {
    const text = env[variable];
    if (!variable.startsWith(PREFIX) || text === undefined) continue;
    const name = variable.slice(PREFIX.length);
    if (NOT_KEYS.test(name) || isServiceLink(name, text)) continue;
    const outcome = place(raw, name.split('__'), text);
    if (Array.isArray(outcome)) overrides.push({ variable, path: outcome });
    else
      complaints.push({ path: variable, found: 'an environment variable that sets no key', expected: String(outcome) });
  }
  return { overrides, complaints };
}

function isServiceLink(name: string, text: string): boolean {
  if (name.includes('__')) return false;
  return SERVICE_LINK.test(name) || (SERVICE_PORT.test(name) && /^(tcp|udp|sctp):\/\//.test(text));
}

/** Sets the value; answers the path that it went to, or what was expected instead. */
function place(raw: Record<string, unknown>, segments: readonly string[], text: string): string[] | string {
  const path: string[] = [];
  let holder: unknown = raw;
  let node: KeyNode = rootNode();
  for (const [depth, segment] of segments.entries()) {
    const next = step(node, holder, segment);
    if (next === undefined) return path.length === 0 ? keyLike(segment) : `a key of ${pathText(path)}`;
    path.push(next.name);
    node = next.node;
    // What is no object is complained of by the schema.
    if (!isObject(holder)) return path;
    if (depth === segments.length - 1) {
      if (typesOf(node).has('array') && !isScalar(node)) return 'it in the configuration file, being a list of objects';
      if (!isScalar(node)) return `${variableOf(path)}__… with one of its keys`;
      set(holder, next.name, coerce(text, node));
      return path;
    }
    if (!Object.hasOwn(holder, next.name)) set(holder, next.name, structuredClone(node.default ?? {}));
    holder = valueAt(holder, [next.name]);
  }
  return path;
}

/** What to write instead of a name at the top that is no key: often `_` stands where `__` belongs. */
function keyLike(segment: string): string {
  for (const [name, { properties = {} }] of Object.entries(rootNode().properties ?? {})) {
    const key = Object.keys(properties).find((below) => fold(`${name}${below}`) === fold(segment));
    if (key !== undefined) return variableOf([name, key]);
  }
  return 'a key of docs/configuration.md';
}

function set(holder: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}

/** The key that a segment of a variable's name means. */
function step(node: KeyNode, value: unknown, segment: string): { name: string; node: KeyNode } | undefined {
  const folded = fold(segment);
  if (folded === '') return undefined;
  const here = chosen(node, value);
  for (const branch of [here, ...(node.oneOf ?? [])]) {
    const found = Object.entries(branch?.properties ?? {}).find(([name]) => fold(name) === folded);
    if (found !== undefined) return { name: found[0], node: found[1] };
  }
  const entry = here && entryNode(here);
  if (entry === undefined) return undefined;
  const known = isObject(value) ? Object.keys(value).find((name) => fold(name) === folded) : undefined;
  return { name: known ?? segment.toLowerCase().replaceAll('_', '-'), node: entry };
}

/** The variable that sets the key at `path`: `STORMCELLAR_LISTEN__PORT`. */
export function variableOf(path: readonly string[]): string {
  const words = path.map((step) =>
    step
      .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
      .replace(/[-.]/g, '_')
      .toUpperCase(),
  );
  return `${PREFIX}${words.join('__')}`;
}
