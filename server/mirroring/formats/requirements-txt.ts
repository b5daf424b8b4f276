import { parseSdistFilename, parseWheelFilename } from '../../model/filename.ts';
import { formatDirectUrl } from '../direct-url.ts';
import {
  type KnownFile,
  type Lock,
  type LockChanges,
  type LockEntry,
  type LockFault,
  type LockFormatHandler,
  type LockText,
  lockProblem,
  type NewSource,
  shown,
} from '../lock.ts';
import { TextEdits } from '../text-edits.ts';
import { type FoundEntry, type RequirementsFile, scanRequirements } from './requirements-scan.ts';

/** pip's requirements files: those of `pip freeze`, pip-tools, uv, poetry and pdm export, and hand-written ones. */
export const requirementsTxt: LockFormatHandler = { read, rewrite };

function read(text: LockText): Lock {
  const { files, order } = scanAll(text);
  const faults = files.flatMap(({ scan }) => scan.faults);
  if (faults.length > 0) throw lockProblem(text.name, faults);
  const notes = files.flatMap(({ scan }) => scan.notes);
  const entries = order.map(({ found, isConstraint }) =>
    isConstraint ? { ...found.entry, isConstraint } : found.entry,
  );
  return { format: 'requirements-txt', entries, notes };
}

interface ScannedFile {
  /** Key in `parts`; absent for the main file. */
  readonly part?: string;
  readonly scan: RequirementsFile;
}

interface OrderedEntry {
  readonly file: ScannedFile;
  readonly found: FoundEntry;
  readonly isConstraint?: true;
}

// Ours, against files that refer to each other.
const MAX_FILES = 100;

/** Reads the main file and what it refers to, each part once, in the order in which pip would see the entries. */
function scanAll(text: LockText): { files: readonly ScannedFile[]; order: readonly OrderedEntry[] } {
  const files: ScannedFile[] = [];
  const order: OrderedEntry[] = [];
  const seen = new Set<string>();
  const visit = (content: string, part: string | undefined, constraint: { isConstraint?: true }): void => {
    const scan = scanRequirements(content, part);
    const faults: LockFault[] = [...scan.faults];
    const file: ScannedFile = { ...(part === undefined ? {} : { part }), scan: { ...scan, faults } };
    files.push(file);
    let at = 0;
    const upTo = (end: number): void => {
      for (; at < end; at += 1) {
        const found = scan.entries[at];
        if (found !== undefined) order.push({ file, found, ...constraint });
      }
    };
    for (const reference of scan.references) {
      upTo(reference.at);
      const name = resolvePart(reference.file, part);
      const known =
        name !== undefined && text.parts !== undefined && Object.hasOwn(text.parts, name)
          ? text.parts[name]
          : undefined;
      if (name === undefined || known === undefined) {
        faults.push({
          pointer: reference.place,
          detail: `it refers to ${shown(reference.file)}, which was not sent along`,
        });
      } else if (seen.size >= MAX_FILES) {
        faults.push({ pointer: reference.place, detail: 'too many files refer to each other' });
      } else if (!seen.has(name)) {
        seen.add(name);
        visit(known, name, reference.kind === 'constraint' ? { isConstraint: true } : constraint);
      }
    }
    upTo(scan.entries.length);
  };
  visit(text.content, undefined, {});
  return { files, order };
}

/** The key of a file that another refers to; relative to the folder of the file that refers. Above the main file's folder: none. */
function resolvePart(reference: string, from: string | undefined): string | undefined {
  if (/^(?:[a-z][a-z0-9+.-]*:|[\\/~])/i.test(reference)) return undefined;
  const folder = from === undefined ? [] : from.split('/').slice(0, -1);
  for (const piece of reference.replaceAll('\\', '/').split('/')) {
    if (piece === '..') {
      if (folder.pop() === undefined) return undefined;
    } else if (piece !== '' && piece !== '.') folder.push(piece);
  }
  return folder.join('/');
}

function rewrite(text: LockText, changes: LockChanges): LockText {
  const { files, order } = scanAll(text);
  const edits = new Map<ScannedFile, TextEdits>(
    files.map((file) => [
      file,
      new TextEdits(file.part === undefined ? text.content : (text.parts?.[file.part] ?? '')),
    ]),
  );
  order.forEach(({ file, found }, index) => {
    const target = edits.get(file);
    if (target !== undefined) rewriteEntry(target, found, { changes, index });
  });
  for (const file of files) {
    for (const { url, span } of file.scan.indexes) {
      const changed = changes.indexUrl?.(url);
      if (changed !== undefined) edits.get(file)?.replace(span[0], span[1], changed);
    }
    // uv gives up when it cannot reach such a page, and what the lock needs is in the index.
    if (changes.withoutLinks) for (const [start, end] of file.scan.links) edits.get(file)?.replace(start, end, '');
  }
  const changed = (part: string | undefined): string | undefined => {
    const file = files.find((each) => each.part === part);
    return file === undefined ? undefined : edits.get(file)?.apply();
  };
  const content = changed(undefined) ?? text.content;
  if (text.parts === undefined) return { ...text, content };
  const parts = Object.fromEntries(Object.entries(text.parts).map(([name, part]) => [name, changed(name) ?? part]));
  return { ...text, content, parts };
}

function rewriteEntry(
  edits: TextEdits,
  found: FoundEntry,
  { changes, index }: { changes: LockChanges; index: number },
): void {
  const { entry } = found;
  const source = changes.sources?.get(index);
  if (source !== undefined && (entry.source.kind === 'vcs' || entry.source.kind === 'archive')) {
    replaceSource(edits, found, source);
    return;
  }
  if (entry.source.kind === 'archive' && found.urlSpan !== undefined) replaceAddress(edits, found, changes);
  const files = changes.files?.get(index) ?? [];
  if (entry.source.kind === 'index' && entry.hashes.length === 0 && files.length > 0) addHashes(edits, found, files);
}

/** pip refuses a hash for what comes from version control, and takes an archive's from its fragment, or from an option that is there. */
function replaceSource(edits: TextEdits, found: FoundEntry, source: NewSource): void {
  const [from, to] = found.urlSpan ?? found.span;
  const isHashed =
    source.kind === 'archive' &&
    found.hashSpans.length > 0 &&
    found.entry.hashes.includes(source.sha256) &&
    !/[#&]sha256=/i.test(edits.slice(from, to));
  const address = formatDirectUrl(source, { hashed: !isHashed });
  const name = found.head ?? nameFor(found.entry, source);
  const [start, end] = found.span;
  const keepFrom = found.markerStart ?? end;
  const { marker } = found.entry;
  const tail = found.markerStart === undefined && marker !== undefined ? ` ; ${marker}` : '';
  edits.replace(start, keepFrom, `${name === undefined ? address : `${name} @ ${address}`}${tail}`);
  if (source.kind === 'vcs') for (const [from, to] of found.hashSpans) edits.replace(from, to, '');
}

function nameFor(entry: LockEntry, source: NewSource): string | undefined {
  const { project = source.kind === 'archive' ? projectOf(source) : undefined, extras = [] } = entry;
  return project === undefined || extras.length === 0 ? project : `${project}[${extras.join(',')}]`;
}

function projectOf({ project, filename }: Extract<NewSource, { kind: 'archive' }>): string | undefined {
  return project ?? (parseWheelFilename(filename) ?? parseSdistFilename(filename))?.project;
}

function replaceAddress(edits: TextEdits, found: FoundEntry, changes: LockChanges): void {
  const { source } = found.entry;
  if (source.kind !== 'archive' || found.urlSpan === undefined) return;
  const changed = changes.fileUrl?.(source.url, found.entry);
  if (changed === undefined) return;
  const [start, end] = found.urlSpan;
  const fragment = edits.slice(start, end).indexOf('#');
  edits.replace(start, fragment === -1 ? end : start + fragment, changed);
}

function addHashes(edits: TextEdits, found: FoundEntry, files: readonly KnownFile[]): void {
  const digests = [...new Set(files.map((file) => file.sha256))].sort();
  edits.insert(found.end, digests.map((sha256) => ` \\\n    --hash=sha256:${sha256}`).join(''));
}
