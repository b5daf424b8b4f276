import { parse } from 'smol-toml';
import {
  isCommit,
  type KnownFile,
  type Lock,
  type LockChanges,
  type LockEntry,
  type LockFile,
  type LockFormatHandler,
  type LockSource,
  type LockText,
  type NewSource,
  shown,
} from '../lock.ts';
import { digestsOf, fileAt, isWebUrl, readToml, type TableReader } from '../lock-document.ts';
import { TextEdits } from '../text-edits.ts';
import { TomlEditor } from '../toml-editor.ts';
import { type TomlNode, tomlString } from '../toml-source.ts';

/** uv's own lock. */
export const uvLock: LockFormatHandler = { read, rewrite };

function read(text: LockText): Lock {
  const document = readToml(text.name, text.content);
  if (document.size('version') !== 1) document.fault('version', 'expected version 1 of the format');
  const entries = document.tables('package').map(readPackage);
  document.faults.throwIfAny();
  return { format: 'uv-lock', entries, notes: [] };
}

function readPackage(table: TableReader): LockEntry {
  const project = table.project();
  const version = table.text('version');
  const files = [...[table.table('sdist') ?? []].flat(), ...table.tables('wheels')].map(readFile);
  const source = readSource(table.table('source'), files);
  if (source === undefined) table.fault('source', 'expected where the package comes from');
  return {
    place: table.pointer,
    ...(project === undefined ? {} : { project }),
    ...(version === undefined ? {} : { version }),
    source: source ?? { kind: 'local', what: 'unknown' },
    hashes: digestsOf(files),
    files,
  };
}

function readFile(table: TableReader): LockFile {
  const hash = table.hash('hash');
  const size = table.size('size');
  const url = table.text('url');
  const filename = table.text('filename');
  table.text('path');
  const known = {
    ...(hash?.[0] === 'sha256' ? { sha256: hash[1] } : {}),
    ...(size === undefined ? {} : { size }),
  };
  const file = url !== undefined && isWebUrl(url) ? fileAt(url, known) : known;
  return filename === undefined ? file : { ...file, filename };
}

function readSource(table: TableReader | undefined, files: readonly LockFile[]): LockSource | undefined {
  const registry = table?.text('registry');
  if (registry !== undefined)
    return isWebUrl(registry) ? { kind: 'index', index: registry } : { kind: 'local', what: folderOf(registry) };
  const git = table?.text('git');
  if (git !== undefined) return gitSource(git);
  const url = table?.text('url');
  if (table !== undefined && url !== undefined) {
    if (!isWebUrl(url)) return { kind: 'local', what: shown(url) };
    const subdirectory = table.text('subdirectory');
    const sha256 = files.find((file) => file.sha256 !== undefined)?.sha256;
    return {
      kind: 'archive',
      url: url.replace(/#.*$/s, ''),
      ...(sha256 === undefined ? {} : { sha256 }),
      ...(subdirectory === undefined ? {} : { subdirectory }),
    };
  }
  for (const key of ['path', 'directory', 'editable', 'virtual']) {
    const path = table?.text(key);
    if (path !== undefined) return { kind: 'local', what: shown(path) };
  }
  return undefined;
}

/** A folder of archives (`find-links`); `.` alone would be the project that the lock itself belongs to. */
function folderOf(registry: string): string {
  return registry === '.' ? './' : shown(registry);
}

/** `URL?branch=…|tag=…|rev=…&subdirectory=…#COMMIT`. */
function gitSource(text: string): LockSource {
  const hash = text.indexOf('#');
  const address = hash === -1 ? text : text.slice(0, hash);
  const query = address.indexOf('?');
  const asked = new URLSearchParams(query === -1 ? '' : address.slice(query + 1));
  const ref = asked.get('rev') ?? asked.get('tag') ?? asked.get('branch');
  const subdirectory = asked.get('subdirectory');
  const commit = hash === -1 ? '' : text.slice(hash + 1);
  return {
    kind: 'vcs',
    system: 'git',
    url: query === -1 ? address : address.slice(0, query),
    ...(ref === null ? {} : { ref }),
    ...(isCommit(commit) ? { commit } : {}),
    ...(subdirectory === null ? {} : { subdirectory }),
  };
}

function rewrite(text: LockText, changes: LockChanges): LockText {
  const { entries } = read(text);
  const edits = new TextEdits(text.content);
  const editor = new TomlEditor(text, edits);
  const newSources = new Map<string, string>();
  const apart = keptApart(entries, changes);
  entries.forEach((entry, index) => {
    const source = changes.sources?.get(index);
    const at = ['package', index] as const;
    const before = editor.value([...at, 'source']);
    if (
      source !== undefined &&
      before !== undefined &&
      (entry.source.kind === 'vcs' || entry.source.kind === 'archive')
    ) {
      const after = formatSource(source);
      newSources.set(`${entry.project} ${canonical(edits, before)}`, after);
      edits.replace(before.start, before.end, after);
      replaceFiles(editor, index, source);
      return;
    }
    const files = [editor.value([...at, 'sdist']) ?? [], ...(editor.value([...at, 'wheels'])?.items ?? [])].flat();
    files.forEach((node, i) => {
      rewriteFile(edits, node, { entry, file: entry.files[i] ?? {}, changes, known: changes.files?.get(index) ?? [] });
    });
    if (entry.source.kind === 'archive' && before !== undefined)
      rewriteUrl(editor, before, { key: 'url', change: (url) => changes.fileUrl?.(url, entry) });
    if (before !== undefined && !apart.has(releaseAt(entry.project, entry.version, entry.source)))
      rewriteUrl(editor, before, { key: 'registry', change: (url) => registryUrl(url, entry.project, changes) });
  });
  rewriteReferences(editor, edits, { newSources, apart, changes });
  return { ...text, content: edits.apply() };
}

/**
 * Releases that several indexes have which become one: uv takes no lock that has a package twice, so all but one keep the index that they
 * have. Nothing is asked of it, since their files have addresses.
 */
function keptApart(entries: readonly LockEntry[], changes: LockChanges): ReadonlySet<string> {
  const apart = new Set<string>();
  const taken = new Set(entries.map(({ project, version, source }) => releaseAt(project, version, source)));
  for (const { project, version, source, files } of entries) {
    if (source.kind !== 'index' || source.index === undefined) continue;
    const index = registryUrl(source.index, project, changes);
    if (index === undefined || index === source.index) continue;
    const after = releaseAt(project, version, { kind: 'index', index });
    if (taken.has(after) && files.every(({ url }) => url !== undefined))
      apart.add(releaseAt(project, version, source)).add(releaseAt(project, undefined, source));
    taken.add(after);
  }
  return apart;
}

function releaseAt(project: string | undefined, version: string | undefined, source: LockSource): string {
  return `${project} ${version ?? ''} ${source.kind === 'index' ? source.index : ''}`;
}

function formatSource(source: NewSource): string {
  const subdirectory = source.subdirectory === undefined ? '' : source.subdirectory;
  if (source.kind === 'archive') {
    const place = subdirectory === '' ? '' : `, subdirectory = ${tomlString(subdirectory)}`;
    return `{ url = ${tomlString(source.url)}${place} }`;
  }
  const query = [
    ...(subdirectory === '' ? [] : [`subdirectory=${encodeURIComponent(subdirectory)}`]),
    `rev=${encodeURIComponent(source.ref ?? source.commit)}`,
  ];
  return `{ git = ${tomlString(`${source.url}?${query.join('&')}#${source.commit}`)} }`;
}

/** A source archive has only its hash in `sdist`; a wheel is listed with its address. */
function replaceFiles(editor: TomlEditor, index: number, source: NewSource): void {
  const at = ['package', index] as const;
  const size = source.kind === 'archive' && source.size !== undefined ? `, size = ${source.size}` : '';
  const isWheel = source.kind === 'archive' && source.filename.endsWith('.whl');
  const sdist = source.kind === 'archive' && !isWheel ? `{ hash = "sha256:${source.sha256}"${size} }` : undefined;
  const wheels =
    source.kind === 'archive' && isWheel
      ? `[\n    { url = ${tomlString(source.url)}, hash = "sha256:${source.sha256}"${size} },\n]`
      : undefined;
  editor.set([...at, 'sdist'], sdist);
  editor.set([...at, 'wheels'], wheels);
}

function rewriteFile(
  edits: TextEdits,
  node: TomlNode,
  parts: { entry: LockEntry; file: LockFile; changes: LockChanges; known: readonly KnownFile[] },
): void {
  const { entry, file, changes, known } = parts;
  const url = node.entries?.find((each) => each.path[0] === 'url')?.value;
  const changed = file.url === undefined ? undefined : changes.fileUrl?.(file.url, entry);
  if (url !== undefined && changed !== undefined) edits.replace(url.start, url.end, tomlString(changed));
  const match = known.find((each) => each.filename === file.filename);
  const last = node.entries?.at(-1);
  const hasHash = node.entries?.some((each) => each.path[0] === 'hash') ?? false;
  if (match !== undefined && last !== undefined && !hasHash)
    edits.insert(last.value.end, `, hash = "sha256:${match.sha256}"`);
}

function rewriteUrl(
  editor: TomlEditor,
  table: TomlNode,
  { key, change }: { key: string; change: (url: string) => string | undefined },
): void {
  const node = table.entries?.find((each) => each.path[0] === key)?.value;
  if (node !== undefined) editor.changeText(node, change);
}

/** The files of a folder have paths, which uv takes from no index. */
function registryUrl(registry: string, project: string | undefined, changes: LockChanges): string | undefined {
  return isWebUrl(registry) ? changes.indexUrl?.(registry, project) : undefined;
}

/** Dependencies repeat a source where a name has several. */
function rewriteReferences(
  editor: TomlEditor,
  edits: TextEdits,
  parts: { newSources: ReadonlyMap<string, string>; apart: ReadonlySet<string>; changes: LockChanges },
): void {
  const { newSources, apart, changes } = parts;
  const textAt = (node: TomlNode | undefined, key: string): string | undefined => {
    const found = node?.entries?.find((each) => each.path[0] === key)?.value;
    return found === undefined ? undefined : editor.textOf(found);
  };
  for (const { path, value } of editor.pairs()) {
    if (path[0] !== 'package' || !/dependencies$/.test(String(path[2]))) continue;
    for (const item of value?.items ?? []) {
      const source = item.entries?.find((each) => each.path[0] === 'source')?.value;
      const name = item.entries?.find((each) => each.path[0] === 'name')?.value;
      if (source === undefined || name === undefined) continue;
      const after = newSources.get(`${editor.textOf(name)} ${canonical(edits, source)}`);
      if (after !== undefined) edits.replace(source.start, source.end, after);
      const index = textAt(source, 'registry') ?? '';
      const release = releaseAt(editor.textOf(name), textAt(item, 'version'), { kind: 'index', index });
      if (after === undefined && !apart.has(release))
        rewriteUrl(editor, source, {
          key: 'registry',
          change: (url) => registryUrl(url, editor.textOf(name), changes),
        });
    }
  }
}

/** The same text for the same inline table, however it is spaced. */
function canonical(edits: TextEdits, node: TomlNode): string {
  const parsed = parse(`x = ${edits.slice(node.start, node.end)}`).x;
  return typeof parsed === 'object' ? JSON.stringify(Object.entries(parsed).sort()) : String(parsed);
}
