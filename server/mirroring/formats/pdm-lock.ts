import type { Lock, LockChanges, LockEntry, LockFormatHandler, LockSource, LockText, NewSource } from '../lock.ts';
import { isCommit, shown } from '../lock.ts';
import { digestsOf, isWebUrl, readToml, type TableReader } from '../lock-document.ts';
import { TextEdits } from '../text-edits.ts';
import { TomlEditor } from '../toml-editor.ts';
import { tomlString } from '../toml-source.ts';
import { formatListedFiles, readListedFiles, rewriteListedFiles } from './listed-files.ts';

/** pdm's lock, format 4. */
export const pdmLock: LockFormatHandler = { read, rewrite };

function read(text: LockText): Lock {
  const document = readToml(text.name, text.content);
  const metadata = document.table('metadata');
  // An empty file is no lock of an application that needs nothing.
  const packages = document.tables('package');
  if (metadata === undefined && packages.length === 0) document.fault('metadata', 'expected what every pdm.lock has');
  if (!/^4(?:\.|$)/.test(metadata?.text('lock_version') ?? '4'))
    metadata?.fault('lock_version', 'expected version 4 of the format');
  // Before 4.3 the files of all packages stood together.
  const together = metadata?.table('files');
  const entries = packages.map((table) => readPackage(table, together));
  document.faults.throwIfAny();
  return { format: 'pdm-lock', entries, notes: [] };
}

function readPackage(table: TableReader, together: TableReader | undefined): LockEntry {
  const project = table.project();
  const version = table.text('version');
  const extras = table.texts('extras');
  const marker = table.text('marker');
  const own = table.tables('files');
  const files = readListedFiles(own.length > 0 ? own : (together?.tables(`${table.text('name')} ${version}`) ?? []));
  return {
    place: table.pointer,
    ...(project === undefined ? {} : { project }),
    ...(version === undefined ? {} : { version }),
    ...(extras.length === 0 ? {} : { extras }),
    ...(marker === undefined ? {} : { marker }),
    source: readSource(table, files[0]?.sha256),
    hashes: digestsOf(files),
    files,
  };
}

function readSource(table: TableReader, sha256: string | undefined): LockSource {
  const subdirectory = table.text('subdirectory');
  const place = subdirectory === undefined ? {} : { subdirectory };
  for (const system of ['git', 'hg', 'svn', 'bzr']) {
    const url = table.text(system);
    if (url === undefined) continue;
    const ref = table.text('ref');
    const commit = table.text('revision');
    return {
      kind: 'vcs',
      system,
      url,
      ...(ref === undefined ? {} : { ref }),
      ...(isCommit(commit) ? { commit } : {}),
      ...place,
    };
  }
  const url = table.text('url');
  if (url !== undefined && isWebUrl(url)) {
    return { kind: 'archive', url: url.replace(/#.*$/s, ''), ...(sha256 === undefined ? {} : { sha256 }), ...place };
  }
  const path = url ?? table.text('path');
  return path === undefined ? { kind: 'index' } : { kind: 'local', what: shown(path) };
}

function rewrite(text: LockText, changes: LockChanges): LockText {
  const { entries } = read(text);
  const document = readToml(text.name, text.content);
  const strategy = document.table('metadata')?.texts('strategy') ?? [];
  const by = strategy.includes('static_urls') ? 'address' : 'name';
  const edits = new TextEdits(text.content);
  const editor = new TomlEditor(text, edits);
  const packages = document.tables('package');
  const listed = document.table('metadata')?.table('files')?.value;
  // A project with and without extras is two packages, which share the list.
  const shared = new Set<string>();
  entries.forEach((entry, index) => {
    const at = ['package', index] as const;
    const source = changes.sources?.get(index);
    if (source !== undefined && (entry.source.kind === 'vcs' || entry.source.kind === 'archive')) {
      replaceSource(editor, index, { source, by });
      return;
    }
    const url = editor.value([...at, 'url']);
    if (url !== undefined && entry.source.kind === 'archive') {
      editor.changeText(url, (address) => changes.fileUrl?.(address.replace(/#.*$/s, ''), entry));
    }
    const known = changes.files?.get(index) ?? [];
    const release = `${packages[index]?.text('name')} ${entry.version}`;
    const isTogether = !editor.has([...at, 'files']) && listed !== undefined && Object.hasOwn(listed, release);
    if (isTogether && shared.has(release)) return;
    shared.add(release);
    const path = isTogether ? ['metadata', 'files', release] : [...at, 'files'];
    rewriteListedFiles(editor, edits, { path, by, entry, changes, known });
  });
  return { ...text, content: edits.apply() };
}

function replaceSource(
  editor: TomlEditor,
  index: number,
  { source, by }: { source: NewSource; by: 'name' | 'address' },
): void {
  const set = (key: string, value: string | undefined): void => editor.set(['package', index, key], value);
  const text = (value: string | undefined): string | undefined => (value === undefined ? undefined : tomlString(value));
  for (const key of ['hg', 'svn', 'bzr']) set(key, undefined);
  set('git', source.kind === 'vcs' ? text(source.url) : undefined);
  set('ref', source.kind === 'vcs' ? text(source.ref) : undefined);
  set('revision', source.kind === 'vcs' ? text(source.commit) : undefined);
  set('url', source.kind === 'archive' ? text(source.url) : undefined);
  set('subdirectory', text(source.subdirectory));
  set('files', source.kind === 'archive' ? formatListedFiles([source], by) : undefined);
}
