import type { KnownFile, LockChanges, LockEntry, LockFile } from '../lock.ts';
import { fileAt, isWebUrl, type TableReader } from '../lock-document.ts';
import type { TextEdits } from '../text-edits.ts';
import type { TomlEditor } from '../toml-editor.ts';
import { type PathPart, tomlString } from '../toml-source.ts';

/** The files of a package as poetry and pdm list them: `{file = NAME, hash = "sha256:…"}`, or with `url`. */
export function readListedFiles(tables: readonly TableReader[]): readonly LockFile[] {
  return tables.map((table) => {
    const filename = table.text('file');
    const url = table.text('url');
    const hash = table.hash('hash');
    const known = hash?.[0] === 'sha256' ? { sha256: hash[1] } : {};
    if (filename === undefined && url === undefined) table.fault('file', 'expected the name of a file');
    const file = url !== undefined && isWebUrl(url) ? fileAt(url.replace(/#.*$/s, ''), known) : known;
    return filename === undefined ? file : { ...file, filename };
  });
}

/** One such list as TOML; `by`: what tells where a file is. */
export function formatListedFiles(files: readonly KnownFile[], by: 'name' | 'address'): string {
  const lines = files.map((file) => {
    const place = by === 'address' ? `url = ${tomlString(file.url)}` : `file = ${tomlString(file.filename)}`;
    return `    {${place}, hash = "sha256:${file.sha256}"},\n`;
  });
  return `[\n${lines.join('')}]`;
}

/** Maps the addresses in a list that stands at `path`, and adds the hashes that it lacks. An empty list is filled. */
export function rewriteListedFiles(
  editor: TomlEditor,
  edits: TextEdits,
  parts: {
    path: readonly PathPart[];
    by: 'name' | 'address';
    entry: LockEntry;
    changes: LockChanges;
    known: readonly KnownFile[];
  },
): void {
  const { path, entry, changes, known } = parts;
  if (entry.files.length === 0) {
    if (known.length > 0 && entry.source.kind === 'index') editor.set(path, formatListedFiles(known, parts.by));
    return;
  }
  editor.value(path)?.items?.forEach((node, i) => {
    const file = entry.files[i];
    const url = node.entries?.find((each) => each.path[0] === 'url')?.value;
    if (url !== undefined) editor.changeText(url, (text) => changes.fileUrl?.(text.replace(/#.*$/s, ''), entry));
    const match = known.find((each) => each.filename === file?.filename);
    const last = node.entries?.at(-1);
    const hasHash = node.entries?.some((each) => each.path[0] === 'hash') ?? false;
    if (match !== undefined && last !== undefined && !hasHash)
      edits.insert(last.value.end, `, hash = "sha256:${match.sha256}"`);
  });
}
