import { isObject } from '../model/json.ts';
import { type KeyNode, typesOf } from './keys.ts';

/**
 * A text from the environment or a file as the value that `node` takes: a number, `true`, `false`, nothing for `null`, a
 * list with commas or as JSON. What does not fit stays a text, for the schema to complain of.
 */
export function coerce(text: string, node: KeyNode): unknown {
  const types = typesOf(node);
  if (types.has('array')) {
    const { items } = node;
    const list = jsonList(text);
    if (list !== undefined) return list;
    const parts = text.split(',').map((part) => part.trim());
    return text.trim() === '' || items === undefined ? [] : parts.map((part) => coerce(part, items));
  }
  if ((types.has('integer') || types.has('number')) && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (types.has('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  if (types.has('null') && (text === '' || text === 'null')) return null;
  return text;
}

/** The list, if the text is one in JSON, as in the file: `[]`, `["acme-*"]`. */
function jsonList(text: string): unknown[] | undefined {
  if (!/^\s*\[.*\]\s*$/s.test(text)) return undefined;
  try {
    return JSON.parse(text) as unknown[];
  } catch {
    // Then it is a list with commas, whatever it says.
    return undefined;
  }
}

/** Can a value of this node be written as one text? */
export function isScalar(node: KeyNode): boolean {
  if (node.oneOf !== undefined) return false;
  const types = typesOf(node);
  if (types.has('array')) return node.items !== undefined && isScalar(node.items);
  return !types.has('object');
}

/** `{"$env": NAME}` or `{"$file": PATH}`: the one key it has and its value. */
export function reference(value: unknown): { readonly kind: '$env' | '$file'; readonly of: string } | undefined {
  if (!isObject(value)) return undefined;
  const [[kind, of] = ['', undefined], ...rest] = Object.entries(value);
  if ((kind !== '$env' && kind !== '$file') || typeof of !== 'string' || rest.length > 0) return undefined;
  return { kind, of };
}
