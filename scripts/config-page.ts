import { describeNode } from '../server/config/complaints.ts';
import { chosen, entryNode, type KeyNode, rootNode } from '../server/config/keys.ts';

/** `config.example.json`: every key with its default, as it may be written. */
export function exampleText(): string {
  const text = JSON.stringify(withDefaults(rootNode(), undefined), undefined, 2);
  // Lists of plain values on one line, as the formatter of this repository has them.
  return `${text.replaceAll(/\[\s+([^[\]{}]*?)\s+\]/g, (_, list: string) => `[${list.replaceAll(/\s+/g, ' ')}]`)}\n`;
}

/** The value that a key has when nothing is given, with every key below it spelled out. */
function withDefaults(node: KeyNode, given: unknown): unknown {
  const value = given ?? node.default;
  const branch = chosen(node, value);
  if (branch?.properties !== undefined) {
    const own = Object(value ?? {});
    const entries = Object.entries(branch.properties).map(([key, child]) => [key, withDefaults(child, own[key])]);
    return Object.fromEntries(entries);
  }
  const entry = branch && entryNode(branch);
  if (entry === undefined) return branch?.const ?? value;
  return Object.fromEntries(Object.entries(Object(value)).map(([key, item]) => [key, withDefaults(entry, item)]));
}

const HEAD = `# Configuration

<!-- Made by \`node scripts/make-config-docs.ts\` from server/config/schema.ts. Change it there. -->

Stormcellar runs without any configuration. To change something, write a JSON file and name it with \`--config FILE\` or in
\`STORMCELLAR_CONFIG\`. Every key is optional; [\`config.example.json\`](../config.example.json) shows each with its default and loads as
it is. \`stormcellar config check FILE\` reads a file, tells everything that is wrong with it, and does nothing else.

**Units.** A duration is a number with \`ms\`, \`s\`, \`m\`, \`h\` or \`d\`, such as \`"10m"\`. A size is a number with \`B\`, \`KB\`, \`MB\`, \`GB\`,
\`TB\` (thousands) or \`KiB\`, \`MiB\`, \`GiB\`, \`TiB\` (1024), such as \`"2GiB"\`; a number alone is bytes.

**Environment.** Any key that is one value can also be set by a variable: \`STORMCELLAR_\`, then the path of the key with \`__\` between its
levels, such as \`STORMCELLAR_LISTEN__PORT=9000\` or \`STORMCELLAR_REPOSITORIES__PYPI__FRESH_FOR=5m\`. Upper and lower case, \`_\`, \`-\` and
\`.\` within a level do not count. A list of values is written with commas or as JSON, \`null\` as \`null\` or nothing. The environment wins over the file.

**Secrets.** In place of a value, \`{"$env": "NAME"}\` takes it from an environment variable and \`{"$file": "PATH"}\` from a file.

**Paths** are relative to the working directory.

Besides keys, \`STORMCELLAR_ADMIN_TOKEN\` (at least 20 characters) is an admin token for as long as it is set.

`;

/** `docs/configuration.md`. */
export function configPage(): string {
  const sections = Object.entries(rootNode().properties ?? {});
  const plain = sections.filter(([, node]) => !isSection(node));
  const table = ['## Keys at the top', '', ...rows(plain, [])].join('\n');
  const rest = sections.filter(([, node]) => isSection(node)).map(([key, node]) => section(key, node));
  return `${HEAD}${[table, ...rest].join('\n\n')}\n`;
}

function isSection(node: KeyNode): boolean {
  return (node.properties ?? node.oneOf ?? entryNode(node)) !== undefined;
}

function section(key: string, node: KeyNode): string {
  const lines = [`## \`${key}\``, '', node.description ?? '', ''];
  const entry = entryNode(node);
  const path = entry === undefined ? [key] : [key, 'NAME'];
  if (entry !== undefined && node.default !== undefined)
    lines.push(`Default: \`${JSON.stringify(node.default)}\`.`, '');
  const within = entry ?? node;
  if (within.oneOf === undefined) lines.push(...rows(Object.entries(within.properties ?? {}), path, within.required));
  for (const branch of within.oneOf ?? []) {
    const { kind, ...keys } = branch.properties ?? {};
    lines.push(`### \`"kind": ${JSON.stringify(kind?.const)}\``, '', kind?.description ?? '', '');
    if (Object.keys(keys).length > 0) lines.push(...rows(Object.entries(keys), path, branch.required), '');
  }
  if (entry === undefined && within.oneOf !== undefined) lines.push(`Default: \`${JSON.stringify(node.default)}\`.`);
  return lines.join('\n').trimEnd();
}

function rows(keys: readonly [string, KeyNode][], path: readonly string[], required: readonly string[] = []): string[] {
  const lines = ['| key | takes | default | meaning |', '|---|---|---|---|'];
  for (const [key, node] of keys) lines.push(...row([...path, key], node, required.includes(key)));
  return lines;
}

function row(path: readonly string[], node: KeyNode, isRequired: boolean): string[] {
  const standard =
    node.default === undefined && isRequired ? 'none: must be given' : `\`${JSON.stringify(node.default)}\``;
  const own = `| \`${path.join('.')}\` | ${cell(takes(node))} | ${standard} | ${cell(node.description ?? '')} |`;
  const items = node.items?.properties;
  if (items === undefined) return [own];
  const holder = [...path.slice(0, -1), `${path.at(-1)}[]`];
  return [
    own,
    ...Object.entries(items).flatMap(([key, child]) => row([...holder, key], child, child.default === undefined)),
  ];
}

const READS: Readonly<Record<string, string>> = {
  duration: 'a duration',
  size: 'a size',
  address: 'an http(s) address',
  path: 'a path',
  pattern: 'a pattern',
  network: 'an address or network',
  host: 'a host',
};

function takes(node: KeyNode): string {
  const list = node.items ?? node.anyOf?.find((part) => part.items)?.items;
  const nullable = node.type?.includes('null') || node.anyOf?.some((part) => part.type === 'null') ? ' or null' : '';
  if (list !== undefined) return `a list, each ${takes(list)}${nullable}`;
  const read = node.reads ?? node.anyOf?.find((part) => part.reads !== undefined)?.reads;
  return read === undefined ? describeNode(node) : `${READS[read] ?? read}${nullable}`;
}

/** Text as it may stand in a cell of a table. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
