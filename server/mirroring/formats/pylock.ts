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
import { digestsOf, fileAt, isDigest, isWebUrl, readToml, type TableReader } from '../lock-document.ts';
import { TextEdits } from '../text-edits.ts';
import { TomlEditor } from '../toml-editor.ts';
import { type PathPart, tomlString } from '../toml-source.ts';

/** The standard lock, pylock.toml (PEP 751). */
export const pylock: LockFormatHandler = { read, rewrite };

function read(text: LockText): Lock {
  const document = readToml(text.name, text.content);
  if (!/^1\.\d+$/.test(document.text('lock-version') ?? ''))
    document.fault('lock-version', 'expected version 1.0 of the format');
  const entries = document.tables('packages').map(readPackage);
  document.faults.throwIfAny();
  return { format: 'pylock', entries, notes: [] };
}

function readPackage(table: TableReader): LockEntry {
  const project = table.project();
  const version = table.text('version');
  const marker = table.text('marker');
  const listed = [...[table.table('sdist') ?? []].flat(), ...table.tables('wheels')];
  const files = listed.map(readFile);
  const archive = table.table('archive');
  const archived = archive === undefined ? undefined : readFile(archive);
  const source = readSource(table, archived);
  return {
    place: table.pointer,
    ...(project === undefined ? {} : { project }),
    ...(version === undefined ? {} : { version }),
    ...(marker === undefined ? {} : { marker }),
    source,
    hashes: digestsOf(archived === undefined ? files : [archived]),
    files: archived === undefined ? files : [archived],
    ...(source.kind === 'index' && listed.length > 0 && listed.every(isThere) ? { isThere: true as const } : {}),
  };
}

/** Taken from a folder, as with `--find-links`. */
function isThere(table: TableReader): boolean {
  const url = table.text('url');
  return url === undefined ? table.text('path') !== undefined : /^file:/i.test(url);
}

function readFile(table: TableReader): LockFile {
  const hashes = table.table('hashes');
  const sha256 = hashes?.text('sha256');
  if (sha256 !== undefined && !isDigest('sha256', sha256)) hashes?.fault('sha256', 'expected 64 hex digits');
  const size = table.size('size');
  const name = table.text('name');
  const url = table.text('url');
  const path = table.text('path');
  const known = {
    ...(sha256 === undefined ? {} : { sha256: sha256.toLowerCase() }),
    ...(size === undefined ? {} : { size }),
  };
  const file: LockFile = url !== undefined && isWebUrl(url) ? fileAt(url, known) : known;
  // PEP 751: the name wins over the last part of the address or path.
  const filename = name ?? file.filename ?? path?.slice(path.lastIndexOf('/') + 1);
  return filename === undefined || filename === '' ? file : { ...file, filename };
}

function readSource(table: TableReader, archived: LockFile | undefined): LockSource {
  const vcs = table.table('vcs');
  if (vcs !== undefined) return vcsSource(vcs);
  const directory = table.table('directory');
  if (directory !== undefined) return { kind: 'local', what: shown(directory.text('path') ?? '') };
  const archive = table.table('archive');
  if (archive !== undefined) {
    const subdirectory = archive.text('subdirectory');
    if (archived?.url === undefined)
      return { kind: 'local', what: shown(archive.text('path') ?? archive.text('url') ?? '') };
    return {
      kind: 'archive',
      url: archived.url.replace(/#.*$/s, ''),
      ...(archived.sha256 === undefined ? {} : { sha256: archived.sha256 }),
      ...(subdirectory === undefined ? {} : { subdirectory }),
    };
  }
  const index = table.text('index');
  return index === undefined || !isWebUrl(index) ? { kind: 'index' } : { kind: 'index', index };
}

function vcsSource(table: TableReader): LockSource {
  const url = table.text('url');
  if (url === undefined) return { kind: 'local', what: shown(table.text('path') ?? '') };
  const ref = table.text('requested-revision');
  const commit = table.text('commit-id');
  const subdirectory = table.text('subdirectory');
  const system = table.text('type');
  if (system === undefined) table.fault('type', 'expected the kind of version control');
  return {
    kind: 'vcs',
    system: system ?? '',
    url,
    ...(ref === undefined ? {} : { ref }),
    ...(isCommit(commit) ? { commit } : {}),
    ...(subdirectory === undefined ? {} : { subdirectory }),
  };
}

function rewrite(text: LockText, changes: LockChanges): LockText {
  const { entries } = read(text);
  const edits = new TextEdits(text.content);
  const editor = new TomlEditor(text, edits);
  entries.forEach((entry, index) => {
    const at = ['packages', index] as const;
    const source = changes.sources?.get(index);
    if (source !== undefined && (entry.source.kind === 'vcs' || entry.source.kind === 'archive')) {
      editor.set([...at, 'vcs'], source.kind === 'vcs' ? formatVcs(source) : undefined);
      editor.set([...at, 'archive'], source.kind === 'archive' ? formatArchive(source) : undefined);
      return;
    }
    const indexUrl = editor.value([...at, 'index']);
    if (indexUrl !== undefined) editor.changeText(indexUrl, (url) => changes.indexUrl?.(url, entry.project));
    const known = changes.files?.get(index) ?? [];
    const paths = entry.source.kind === 'archive' ? [[...at, 'archive']] : filePaths(editor, entry, at);
    paths.forEach((path, i) => {
      rewriteFile(editor, edits, { path, entry, file: entry.files[i] ?? {}, changes, known });
    });
  });
  return { ...text, content: edits.apply() };
}

/** Where the files of an entry stand, in the order in which `read` lists them. */
function filePaths(editor: TomlEditor, entry: LockEntry, at: readonly PathPart[]): readonly (readonly PathPart[])[] {
  const sdist = editor.has([...at, 'sdist']) ? [[...at, 'sdist']] : [];
  const wheels = Array.from({ length: entry.files.length - sdist.length }, (_, i) => [...at, 'wheels', i]);
  return [...sdist, ...wheels];
}

function rewriteFile(
  editor: TomlEditor,
  edits: TextEdits,
  parts: {
    path: readonly PathPart[];
    entry: LockEntry;
    file: LockFile;
    changes: LockChanges;
    known: readonly KnownFile[];
  },
): void {
  const { path, entry, file, changes, known } = parts;
  const url = editor.find([...path, 'url']);
  if (url !== undefined) editor.changeText(url, (text) => changes.fileUrl?.(text.replace(/#.*$/s, ''), entry));
  const match = known.find((each) => each.filename === file.filename);
  if (match === undefined || file.sha256 !== undefined) return;
  const hashes = editor.find([...path, 'hashes']);
  const inline = editor.find(path);
  const last = (hashes ?? inline)?.entries?.at(-1)?.value.end;
  const pair = `sha256 = "${match.sha256}"`;
  if (hashes !== undefined) {
    if (last === undefined) edits.replace(hashes.start, hashes.end, `{ ${pair} }`);
    else edits.insert(last, `, ${pair}`);
  } else if (inline !== undefined && last !== undefined) edits.insert(last, `, hashes = { ${pair} }`);
  else if (inline === undefined) {
    const name = editor.has([...path, 'hashes']) ? [...path, 'hashes', 'sha256'] : [...path, 'hashes'];
    editor.set(name, name.at(-1) === 'sha256' ? `"${match.sha256}"` : `{ ${pair} }`);
  }
}

function formatArchive(source: Extract<NewSource, { kind: 'archive' }>): string {
  const size = source.size === undefined ? '' : `, size = ${source.size}`;
  const place = source.subdirectory === undefined ? '' : `, subdirectory = ${tomlString(source.subdirectory)}`;
  return `{ url = ${tomlString(source.url)}${size}, hashes = { sha256 = "${source.sha256}" }${place} }`;
}

function formatVcs(source: Extract<NewSource, { kind: 'vcs' }>): string {
  const ref = source.ref === undefined ? '' : `, requested-revision = ${tomlString(source.ref)}`;
  const place = source.subdirectory === undefined ? '' : `, subdirectory = ${tomlString(source.subdirectory)}`;
  return `{ type = "git", url = ${tomlString(source.url)}${ref}, commit-id = ${tomlString(source.commit)}${place} }`;
}
