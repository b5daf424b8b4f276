import type { Lock, LockChanges, LockEntry, LockFormatHandler, LockSource, LockText, NewSource } from '../lock.ts';
import { isCommit, shown } from '../lock.ts';
import { digestsOf, isWebUrl, readToml, type TableReader } from '../lock-document.ts';
import { TextEdits } from '../text-edits.ts';
import { TomlEditor } from '../toml-editor.ts';
import { tomlString } from '../toml-source.ts';
import { formatListedFiles, readListedFiles, rewriteListedFiles } from './listed-files.ts';

/** poetry's lock, of poetry 1.0 to 2.x. */
export const poetryLock: LockFormatHandler = { read, rewrite };

function read(text: LockText): Lock {
  const document = readToml(text.name, text.content);
  const metadata = document.table('metadata');
  // An empty file is no lock of an application that needs nothing.
  const packages = document.tables('package');
  if (metadata === undefined && packages.length === 0)
    document.fault('metadata', 'expected what every poetry.lock has');
  const version = metadata?.text('lock-version') ?? '1.0';
  if (!/^[12]\./.test(version)) metadata?.fault('lock-version', 'expected version 1 or 2 of the format');
  // Before 2.0 the files of all packages stood together at the end.
  const together = metadata?.table('files');
  const entries = packages.map((table) => readPackage(table, together));
  document.faults.throwIfAny();
  return { format: 'poetry-lock', entries, notes: [] };
}

function readPackage(table: TableReader, together: TableReader | undefined): LockEntry {
  const project = table.project();
  const name = table.text('name') ?? '';
  const version = table.text('version');
  const own = table.tables('files');
  const files = readListedFiles(own.length > 0 ? own : (together?.tables(name) ?? []));
  if (version === undefined) table.fault('version', 'expected the version of the package');
  return {
    place: table.pointer,
    ...(project === undefined ? {} : { project }),
    ...(version === undefined ? {} : { version }),
    source: readSource(table.table('source'), files[0]?.sha256),
    hashes: digestsOf(files),
    files,
  };
}

function readSource(table: TableReader | undefined, sha256: string | undefined): LockSource {
  if (table === undefined) return { kind: 'index' };
  const url = table.text('url');
  if (url === undefined) table.fault('url', 'expected an address or a path');
  const subdirectory = table.text('subdirectory');
  const place = subdirectory === undefined ? {} : { subdirectory };
  switch (table.text('type')) {
    case 'legacy':
      return { kind: 'index', ...(url !== undefined && isWebUrl(url) ? { index: url } : {}) };
    case 'url':
      if (url === undefined || !isWebUrl(url)) break;
      return { kind: 'archive', url: url.replace(/#.*$/s, ''), ...(sha256 === undefined ? {} : { sha256 }), ...place };
    case 'git': {
      const ref = table.text('reference');
      const commit = table.text('resolved_reference');
      return {
        kind: 'vcs',
        system: 'git',
        url: url ?? '',
        ...(ref === undefined ? {} : { ref }),
        ...(isCommit(commit) ? { commit } : {}),
        ...place,
        // poetry has folders of repositories, and none of archives.
        ...(subdirectory === undefined ? {} : { atTop: true }),
      };
    }
    case 'file':
    case 'directory':
      return { kind: 'local', what: shown(url ?? '') };
    default:
      break;
  }
  table.fault('type', 'expected one of legacy, url, git, file, directory, with an address that fits');
  return { kind: 'local', what: shown(url ?? '') };
}

function rewrite(text: LockText, changes: LockChanges): LockText {
  const { entries } = read(text);
  const edits = new TextEdits(text.content);
  const editor = new TomlEditor(text, edits);
  const filled = new Set<string>();
  entries.forEach((entry, index) => {
    const at = ['package', index] as const;
    const source = changes.sources?.get(index);
    const url = editor.value([...at, 'source', 'url']);
    if (source !== undefined && (entry.source.kind === 'vcs' || entry.source.kind === 'archive')) {
      const files = source.kind === 'archive' ? [source] : [];
      if (editor.has([...at, 'files']))
        editor.set([...at, 'files'], files.length === 0 ? '[]' : formatListedFiles(files, 'name'));
      else if (files.length > 0) {
        const named = editor.value([...at, 'name']);
        const name = named === undefined ? '' : editor.textOf(named);
        const together = ['metadata', 'files', name];
        // One list for all versions of a project: only an empty one is sure to be of this one.
        if (!filled.has(name) && editor.value(together)?.items?.length === 0)
          editor.set(together, formatListedFiles(files, 'name'));
        filled.add(name);
      }
      editor.setTable([...at, 'source'], formatSource(source));
      return;
    }
    if (url !== undefined && entry.source.kind === 'index')
      editor.changeText(url, (index) => changes.indexUrl?.(index, entry.project));
    if (url !== undefined && entry.source.kind === 'archive') {
      editor.changeText(url, (address) => changes.fileUrl?.(address.replace(/#.*$/s, ''), entry));
    }
    const known = changes.files?.get(index) ?? [];
    if (editor.has([...at, 'files']))
      rewriteListedFiles(editor, edits, { path: [...at, 'files'], by: 'name', entry, changes, known });
  });
  return { ...text, content: edits.apply() };
}

function formatSource(source: NewSource): string {
  const lines =
    source.kind === 'archive'
      ? ['type = "url"', `url = ${tomlString(source.url)}`]
      : [
          'type = "git"',
          `url = ${tomlString(source.url)}`,
          `reference = ${tomlString(source.ref ?? source.commit)}`,
          `resolved_reference = ${tomlString(source.commit)}`,
        ];
  if (source.subdirectory !== undefined) lines.push(`subdirectory = ${tomlString(source.subdirectory)}`);
  return `${['[package.source]', ...lines].join('\n')}\n`;
}
