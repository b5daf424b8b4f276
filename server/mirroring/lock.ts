import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';

export type LockFormat = 'requirements-txt' | 'pylock' | 'uv-lock' | 'poetry-lock' | 'pipfile-lock' | 'pdm-lock';

/** The text of a lock, as it was sent. Nothing is ever read from a disk. */
export interface LockText {
  /** The file's name, which tells its format; may have folders before it. */
  readonly name: string;
  readonly content: string;
  /** Files that a requirements file refers to (`-r`, `-c`), by name relative to the folder of the main file. */
  readonly parts?: Readonly<Record<string, string>>;
}

/** A file that a lock lists. */
export interface LockFile {
  readonly filename?: string;
  /** Absolute, http(s). */
  readonly url?: string;
  /** Lower-case hex. */
  readonly sha256?: string;
  /** Bytes. */
  readonly size?: number;
}

/** Where an entry's bytes come from. */
export type LockSource =
  /** From an index, by name and version. `index`: its address, when the lock names one. */
  | { readonly kind: 'index'; readonly index?: string }
  /** One archive at an address (http, https). */
  | { readonly kind: 'archive'; readonly url: string; readonly sha256?: string; readonly subdirectory?: string }
  /** A version control system. `url` without the system's prefix, revision and fragment. */
  | {
      readonly kind: 'vcs';
      readonly system: string;
      readonly url: string;
      /** Branch, tag or commit that was asked for. */
      readonly ref?: string;
      /** The full commit, when the lock has it. */
      readonly commit?: string;
      readonly subdirectory?: string;
      /** The lock's installer builds what is at the top of an archive and nothing below: the folder has to lie there. */
      readonly atTop?: true;
    }
  /** On the machine that made the lock: a path, an editable or a virtual project. Never mirrored. */
  | { readonly kind: 'local'; readonly what: string };

/** One requirement or package of a lock. */
export interface LockEntry {
  /** Where it stands, for messages: `line 12`, `base.txt line 3`, `/packages/4`. */
  readonly place: string;
  /** Absent for an address whose project the lock does not tell. */
  readonly project?: ProjectName;
  /** As written; absent when the lock does not pin one. */
  readonly version?: string;
  /** What the lock demands of the version when it pins none, such as `>=1,<2`. */
  readonly specifier?: string;
  readonly extras?: readonly string[];
  readonly marker?: string;
  readonly source: LockSource;
  /** The sha256 digests, lower-case hex, that an installer would accept, without duplicates. Empty: the lock has none. */
  readonly hashes: readonly string[];
  /** `alg:hex` of other algorithms, for entries without sha256. */
  readonly otherHashes?: readonly string[];
  /** The files by name or address, where the format has them. */
  readonly files: readonly LockFile[];
  /** Its files lie on the machine that made the lock: good to have here, but an install takes them from there. */
  readonly isThere?: true;
  /** Only limits the version of what something else requires (`-c`). */
  readonly isConstraint?: true;
}

/** Something the user should know: an option that is not followed, an entry that is skipped. */
export interface LockNote {
  readonly place: string;
  readonly detail: string;
}

/** What every lock format comes down to. */
export interface Lock {
  readonly format: LockFormat;
  /** In the order of the file. Changes refer to positions in this list. */
  readonly entries: readonly LockEntry[];
  readonly notes: readonly LockNote[];
}

/** A file that an entry's hashes are to be completed with. */
export interface KnownFile {
  readonly filename: string;
  readonly sha256: string;
  /** Where it is to be had, absolute. */
  readonly url: string;
  readonly size?: number;
}

/** What a URL or VCS requirement is to point to instead. */
export type NewSource =
  | {
      readonly kind: 'archive';
      readonly url: string;
      /** Of an entry that does not tell it. */
      readonly project?: ProjectName;
      readonly filename: string;
      readonly sha256: string;
      readonly size?: number;
      readonly subdirectory?: string;
    }
  | {
      readonly kind: 'vcs';
      readonly system: 'git';
      readonly url: string;
      readonly ref?: string;
      readonly commit: string;
      readonly subdirectory?: string;
    };

/** What is to change in a lock; everything else stays as it is, byte for byte. */
export interface LockChanges {
  /** By position in `entries`; entries from an index have no other source. */
  readonly sources?: ReadonlyMap<number, NewSource>;
  /** By position in `entries`: the files to take hashes from where the lock lacks them. */
  readonly files?: ReadonlyMap<number, readonly KnownFile[]>;
  /** The new address of a file that the lock names by address; `undefined`: as it is. */
  readonly fileUrl?: (url: string, entry: LockEntry) => string | undefined;
  /** The new address of an index that the lock names, for a project where it names it for each; `undefined`: as it is. */
  readonly indexUrl?: (url: string, project?: string) => string | undefined;
  /** Pages of files elsewhere that the lock names are left out. */
  readonly withoutLinks?: boolean;
}

/** One lock format: reads it, and writes a changed one without touching what need not change. */
export interface LockFormatHandler {
  /** Throws `malformed-request` with the member `errors`. */
  read(text: LockText): Lock;
  /** Of a text that `read` accepts. The same parts come back. Throws `malformed-request` where the text is written in a way that cannot be changed. */
  rewrite(text: LockText, changes: LockChanges): LockText;
}

/** Has an entry of an index only hashes that installers check and indexes do not list? More hashes would let more files in. */
export function isHashedOtherwise({ source, hashes, otherHashes = [] }: LockEntry): boolean {
  return source.kind === 'index' && hashes.length === 0 && otherHashes.some((hash) => /^sha(?:384|512):/.test(hash));
}

/** Does the lock lack a hash that an installer would check the entry by? Local entries have none to lack. */
export function lacksHash(entry: LockEntry): boolean {
  if (entry.source.kind === 'local') return false;
  if (entry.source.kind === 'vcs') return true;
  return (
    (entry.hashes.length === 0 && !isHashedOtherwise(entry)) || entry.files.some((file) => file.sha256 === undefined)
  );
}

/** The folder of the archive of a source that is built; `undefined`: its top. */
export function folderIn(source: LockSource): string | undefined {
  return 'subdirectory' in source && !('atTop' in source) ? source.subdirectory : undefined;
}

/** Is the text the whole id of a commit of git, in lower case as git writes it? */
export function isCommit(text: string | undefined): text is string {
  return text !== undefined && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

/** One fault of a lock. */
export interface LockFault {
  /** A line (`line 12`), or a path in the document (`/package/3/version`). */
  readonly pointer: string;
  /** One sentence. */
  readonly detail: string;
}

// Ours: more would not be read.
const MAX_FAULTS = 20;

/** The problem that says where a lock is faulty. */
export function lockProblem(name: string, faults: readonly LockFault[]): Problem {
  const [first] = faults;
  const where = first === undefined ? '' : `: ${first.pointer}: ${first.detail}`;
  return new Problem('malformed-request', `${shown(name)} cannot be read as a lock${where}`, {
    members: { errors: faults.slice(0, MAX_FAULTS) },
  });
}

/** A piece of user text for a message: short, on one line, printable. */
export function shown(text: string): string {
  const clean = text.replace(/[^\x20-\x7e\u00a1-\ud7ff\uf900-\ufffd]/g, '?');
  return clean.length > 80 ? `${clean.slice(0, 77)}...` : clean;
}
