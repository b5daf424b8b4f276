/** A value in a JSON text, first and past the last character. */
export interface JsonNode {
  readonly start: number;
  readonly end: number;
  /** Of an object; of keys that stand twice the last counts, as in `JSON.parse`. */
  readonly entries?: ReadonlyMap<string, JsonNode>;
  /** Of an array. */
  readonly items?: readonly JsonNode[];
}

// Ours: no lock is nested as deeply.
const MAX_DEPTH = 100;

/** Where things stand in a JSON text, or `undefined` when it is nested too deeply. Only for texts that `JSON.parse` accepts. */
export function jsonNodes(text: string): JsonNode | undefined {
  let at = 0;
  let depth = 0;
  let isTooDeep = false;
  const skip = (): void => {
    while (at < text.length && ' \t\r\n,:'.includes(text[at] ?? '')) at += 1;
  };
  const string = (): string => {
    const start = at;
    at += 1;
    while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
    at += 1;
    return text.slice(start, at);
  };
  const value = (): JsonNode => {
    skip();
    const start = at;
    const char = text[at];
    if (char === '"') {
      string();
      return { start, end: at };
    }
    if (char !== '{' && char !== '[') {
      while (at < text.length && !/[\s,\]}]/.test(text[at] ?? '')) at += 1;
      return { start, end: at };
    }
    depth += 1;
    if (depth > MAX_DEPTH) isTooDeep = true;
    const node = isTooDeep ? { start, end: start } : char === '{' ? object(start) : array(start);
    depth -= 1;
    return node;
  };
  const object = (start: number): JsonNode => {
    const entries = new Map<string, JsonNode>();
    at += 1;
    for (skip(); text[at] === '"' && !isTooDeep; skip()) {
      const key: unknown = JSON.parse(string());
      entries.set(String(key), value());
    }
    at += 1;
    return { start, end: at, entries };
  };
  const array = (start: number): JsonNode => {
    const items: JsonNode[] = [];
    at += 1;
    for (skip(); at < text.length && text[at] !== ']' && !isTooDeep; skip()) items.push(value());
    at += 1;
    return { start, end: at, items };
  };
  const root = value();
  return isTooDeep ? undefined : root;
}
