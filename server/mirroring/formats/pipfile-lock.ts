import { parseDirectUrl } from '../direct-url.ts';
import { jsonNodes } from '../json-source.ts';
import {
  isCommit,
  type KnownFile,
  type Lock,
  type LockChanges,
  type LockEntry,
  type LockFormatHandler,
  type LockSource,
  type LockText,
  lockProblem,
  type NewSource,
  shown,
} from '../lock.ts';
import { Faults, isWebUrl, parseHash, TableReader } from '../lock-document.ts';
import { TextEdits } from '../text-edits.ts';

/** pipenv's lock. */
export const pipfileLock: LockFormatHandler = { read, rewrite };

function read(text: LockText): Lock {
  const document = readJson(text);
  const known = indexes(document);
  const entries = packages(document).map(({ table }) => readPackage(table, known));
  document.faults.throwIfAny();
  return { format: 'pipfile-lock', entries, notes: [] };
}

function readJson(text: LockText): TableReader {
  const faults = new Faults(text.name);
  let value: unknown;
  try {
    value = JSON.parse(text.content.replace(/^\ufeff/, ''));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw lockProblem(text.name, [{ pointer: lineOf(error, text.content), detail: 'it is not valid JSON here' }]);
  }
  const document = new TableReader({ document: value }, '', faults).table('document');
  if (document === undefined || !Object.hasOwn(document.value, '_meta')) {
    throw lockProblem(text.name, [{ pointer: '/_meta', detail: 'expected what every Pipfile.lock begins with' }]);
  }
  return new TableReader(document.value, '', faults);
}

/** The line that V8 names, or that of the position that it names. */
function lineOf(error: SyntaxError, content: string): string {
  const line = /\(line (\d+)/.exec(error.message)?.[1];
  const position = /at position (\d+)/.exec(error.message)?.[1];
  if (line !== undefined) return `line ${line}`;
  const end = position === undefined ? content.length : Number(position);
  return `line ${content.slice(0, end).split('\n').length}`;
}

/** Every package of every category, in order. */
function packages(document: TableReader): readonly { category: string; name: string; table: TableReader }[] {
  return document
    .children()
    .filter(([category]) => category !== '_meta')
    .flatMap(([category, tables]) => tables.children().map(([name, table]) => ({ category, name, table })));
}

function indexes(document: TableReader): ReadonlyMap<string, string> {
  const sources = document.table('_meta')?.tables('sources') ?? [];
  return new Map(sources.map((source) => [source.text('name') ?? '', source.text('url') ?? '']));
}

function readPackage(table: TableReader, known: ReadonlyMap<string, string>): LockEntry {
  const name = decodePointer(table.pointer);
  const project = new TableReader({ name }, table.pointer, table.faults).project();
  const version = /^={2,3}\s*([^*\s,]+)$/.exec(table.text('version') ?? '')?.[1];
  const demand = table.text('version');
  const marker = table.text('markers');
  const extras = table.texts('extras');
  const hashes = table.texts('hashes').map((text, i) => {
    const hash = parseHash(text);
    if (hash === undefined) table.faults.add(`${table.pointer}/hashes/${i}`, 'expected a hash such as sha256:0123…');
    return hash ?? (['', ''] as const);
  });
  const digests = hashes.flatMap(([algorithm, hex]) => (algorithm === 'sha256' ? [hex] : []));
  const others = hashes.flatMap(([algorithm, hex]) =>
    algorithm === 'sha256' || algorithm === '' ? [] : [`${algorithm}:${hex}`],
  );
  return {
    place: table.pointer,
    ...(project === undefined ? {} : { project }),
    ...(version !== undefined ? { version } : demand === undefined || demand === '*' ? {} : { specifier: demand }),
    ...(extras.length === 0 ? {} : { extras }),
    ...(marker === undefined ? {} : { marker }),
    source: readSource(table, { known, sha256: digests[0] }),
    hashes: [...new Set(digests)],
    ...(others.length === 0 ? {} : { otherHashes: others }),
    files: [],
  };
}

function decodePointer(pointer: string): string {
  return pointer
    .slice(pointer.lastIndexOf('/') + 1)
    .replaceAll('~1', '/')
    .replaceAll('~0', '~');
}

function readSource(
  table: TableReader,
  { known, sha256 }: { known: ReadonlyMap<string, string>; sha256: string | undefined },
): LockSource {
  const subdirectory = table.text('subdirectory');
  const place = subdirectory === undefined ? {} : { subdirectory };
  for (const system of ['git', 'hg', 'svn', 'bzr']) {
    const url = table.text(system);
    if (url === undefined) continue;
    const ref = table.text('ref');
    const commit = isCommit(ref) ? { commit: ref } : {};
    return { kind: 'vcs', system, url, ...(ref === undefined ? {} : { ref }), ...commit, ...place };
  }
  const file = table.text('file');
  if (file !== undefined && isWebUrl(file)) {
    const direct = parseDirectUrl(file)?.source;
    if (direct?.kind === 'archive') return { ...direct, ...(sha256 === undefined ? {} : { sha256 }), ...place };
  }
  const local = file ?? table.text('path');
  if (local !== undefined) return { kind: 'local', what: shown(local) };
  const index = known.get(table.text('index') ?? '');
  return index === undefined || !isWebUrl(index) ? { kind: 'index' } : { kind: 'index', index };
}

function rewrite(text: LockText, changes: LockChanges): LockText {
  const { entries } = read(text);
  const root = jsonNodes(text.content.replace(/^\ufeff/, ' '));
  if (root === undefined) throw lockProblem(text.name, [{ pointer: '/', detail: 'it is nested too deeply' }]);
  const edits = new TextEdits(text.content);
  packages(readJson(text)).forEach(({ category, name, table }, index) => {
    const entry = entries[index];
    const node = root.entries?.get(category)?.entries?.get(name);
    const changed = entry === undefined ? undefined : changedPackage(table.value, entry, { changes, index });
    if (node === undefined || changed === undefined) return;
    const indent = edits.slice(edits.slice(0, node.start).lastIndexOf('\n') + 1, node.start).match(/^\s*/)?.[0] ?? '';
    edits.replace(node.start, node.end, formatJson(changed, indent));
  });
  for (const source of root.entries?.get('_meta')?.entries?.get('sources')?.items ?? []) {
    const node = source.entries?.get('url');
    const url: unknown = node === undefined ? undefined : JSON.parse(edits.slice(node.start, node.end));
    const changed = typeof url === 'string' ? changes.indexUrl?.(url) : undefined;
    if (node !== undefined && changed !== undefined) edits.replace(node.start, node.end, JSON.stringify(changed));
  }
  return { ...text, content: edits.apply() };
}

type Package = Readonly<Record<string, unknown>>;

const SOURCE_KEYS = new Set(['git', 'hg', 'svn', 'bzr', 'ref', 'subdirectory', 'file', 'path', 'editable', 'hashes']);

function changedPackage(
  value: Package,
  entry: LockEntry,
  { changes, index }: { changes: LockChanges; index: number },
): Package | undefined {
  const source = changes.sources?.get(index);
  if (source !== undefined && (entry.source.kind === 'vcs' || entry.source.kind === 'archive')) {
    const kept = Object.entries(value).filter(([key]) => !SOURCE_KEYS.has(key));
    return sorted({ ...Object.fromEntries(kept), ...sourceKeys(source) });
  }
  if (entry.source.kind === 'archive') {
    const url = changes.fileUrl?.(entry.source.url, entry);
    return url === undefined || url === entry.source.url ? undefined : { ...value, file: url };
  }
  const known: readonly KnownFile[] = changes.files?.get(index) ?? [];
  if (entry.source.kind !== 'index' || entry.hashes.length > 0 || known.length === 0) return undefined;
  return sorted({ ...value, hashes: [...new Set(known.map((file) => `sha256:${file.sha256}`))].sort() });
}

function sourceKeys(source: NewSource): Package {
  const { subdirectory } = source;
  if (source.kind === 'vcs')
    return { git: source.url, ref: source.commit, ...(subdirectory === undefined ? {} : { subdirectory }) };
  // pipenv hands the address to pip as it is, and looks at no folder beside it.
  const place = subdirectory === undefined ? '' : `#subdirectory=${subdirectory}`;
  return { file: `${source.url}${place}`, hashes: [`sha256:${source.sha256}`] };
}

/** pipenv writes keys in order. */
function sorted(value: Package): Package {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** As Python's json writes it: four blanks, ASCII. */
function formatJson(value: Package, indent: string): string {
  const ascii = JSON.stringify(value, null, 4).replace(
    /[\u0080-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return ascii.replaceAll('\n', `\n${indent}`);
}
