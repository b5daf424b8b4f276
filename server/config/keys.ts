import { z } from 'zod';
import { isObject } from '../model/json.ts';
import { configSchema } from './schema.ts';

/** What stands at one place of the configuration, as JSON Schema with the words of `schema.ts`. */
export interface KeyNode {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, KeyNode>>;
  readonly required?: readonly string[];
  /** Of a table with names of the user's choice. */
  readonly additionalProperties?: KeyNode | boolean;
  /** Alternatives that `kind` tells apart. */
  readonly oneOf?: readonly KeyNode[];
  readonly anyOf?: readonly KeyNode[];
  readonly items?: KeyNode;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  /** How a text is read: `duration`, `size`, `address`, `path`, `pattern`, `network`, `host`. */
  readonly reads?: string;
}

let tree: KeyNode | undefined;

/** The tree of all keys. Most starts need none: it is for complaints, for variables of the environment and for the documentation. */
export function rootNode(): KeyNode {
  tree ??= z.toJSONSchema(configSchema, { io: 'input' }) as KeyNode;
  return tree;
}

/** The node of a table's entries, when the node is a table. */
export function entryNode(node: KeyNode): KeyNode | undefined {
  return typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined;
}

/** The alternative that a value of this node is, by its `kind`; the node itself when it has none. */
export function chosen(node: KeyNode, value: unknown): KeyNode | undefined {
  if (node.oneOf === undefined) return node;
  const kind = isObject(value) ? value.kind : undefined;
  return node.oneOf.find((branch) => branch.properties?.kind?.const === kind);
}

/** The types that a value of this node may have. */
export function typesOf(node: KeyNode): ReadonlySet<string> {
  if (node.anyOf !== undefined) return new Set(node.anyOf.flatMap((part) => [...typesOf(part)]));
  if (node.enum !== undefined) return new Set(node.enum.map((value) => typeof value));
  return new Set(typeof node.type === 'string' ? [node.type] : (node.type ?? []));
}

/** The node at `path` below the root, for the value `root`; `undefined` where the schema knows no such place. */
export function nodeAt(path: readonly PropertyKey[], root: unknown): KeyNode | undefined {
  let node: KeyNode | undefined = rootNode();
  let value = root;
  for (const step of path) {
    if (node === undefined) return undefined;
    const branch: KeyNode | undefined = chosen(node, value);
    if (typeof step === 'number') node = branch?.items ?? branch?.anyOf?.find((part) => part.items)?.items;
    else node = branch?.properties?.[String(step)] ?? (branch && entryNode(branch));
    value = valueAt(value, [step]);
  }
  return node;
}

/** The value at `path`, or `undefined`. */
export function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = Reflect.get(value, step);
  }
  return value;
}
