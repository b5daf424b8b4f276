import type { Writable } from 'node:stream';
import type { ByteRange } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import type { Seen } from '../catalog/seen.ts';
import type { ProjectDetail } from '../model/distribution-file.ts';
import type { ProjectName } from '../model/project-name.ts';

/** Which of an index's faces is looked at. */
export interface View {
  /** From what is stored and nothing else; asks no upstream. */
  readonly offline: boolean;
  /** As it stood at this instant, milliseconds since 1970. */
  readonly at?: number;
  /** `whole`: in an outage a release of which a file is stored is yanked in none of its files. */
  readonly releases?: 'whole';
}

/** A view of one project for one request, with what was read of it since that came; so that who looks through several reads once. */
export interface Look extends View {
  readonly seen?: Seen;
  /** Where an upstream is not the last that is looked through. */
  readonly search?: Search;
}

/** One repository's turn in a search through several. */
interface Search {
  /** Others are asked when this one does not know the name: that it did not have it must do when it does not answer promptly. */
  readonly othersFollow: boolean;
  /** How long the search has kept its client from what is kept, milliseconds; one count for all turns. */
  readonly waited: { ms: number };
}

/** Opaque; changes whenever the project page would. Doubles as its ETag. */
export type Revision = string & { readonly __brand: 'Revision' };

/** How an answer came about; becomes `Cache-Status` (RFC 9211). */
export interface Origin {
  /** `hit`: from what is kept, upstream not asked. `miss`: upstream was asked for it. `revalidated`, `stale`: kept, and upstream
   *  confirmed it or could not be asked. */
  readonly outcome: 'hit' | 'miss' | 'revalidated' | 'stale';
  /** One token for people, such as `hosted`, `offline`, `upstream-down`, `suspect`. */
  readonly detail?: string;
}

/** The catalog is away: what it said last counts for as long as that lasts. */
export const FROM_MEMORY: Origin = { outcome: 'stale', detail: 'catalog-down' };

/** The upstream does not answer. */
export interface Outage {
  readonly repository: string;
  /** Milliseconds. */
  readonly since: number;
}

/** The present state of a project page. */
export interface PageState {
  readonly revision: Revision;
  readonly origin: Origin;
  /** Which repository answers. */
  readonly repository: string;
  /** Seconds for which a client may keep the page without asking again; 0 for pages that take uploads. */
  readonly maxAge: number;
  /** The upstream does not answer, and the page says so of files that are not stored. */
  readonly outage?: Outage;
}

/** The body of a file whose first bytes are at hand. */
export interface FileBody {
  /** Bytes of the whole file; absent while an upstream has not told it. */
  readonly size?: number;
  /** Where it comes from, when that is not where the file said. */
  readonly origin?: Origin;
  /**
   * Writes the bytes of `range` (all of them when absent) to `out` at the pace of `out`, and does not end it. Rejects when they
   * cannot be had whole: the caller then destroys `out`. Settles when `out` is closed early.
   */
  send(range: ByteRange | undefined, out: Writable): Promise<void>;
  /** Lets go of the body when `send` is not called. */
  close(): void;
}

/** A file that can be had. */
export interface ServedFile {
  readonly filename: string;
  readonly contentType: string;
  /** Bytes; absent while nobody has told it. */
  readonly size?: number;
  /** Its sha256, and so its ETag; absent while nobody has told it. */
  readonly digest?: Digest;
  /** When it was uploaded or stored, milliseconds. */
  readonly modifiedAt?: number;
  readonly origin: Origin;
  /** Where the client may fetch the bytes itself, when the store offers that. */
  locate(): Promise<URL | undefined>;
  /** Begins, with `range` when that is what will be sent. Throws `file-not-found`, `upstream-unavailable`, `upstream-timeout` while the answer can still say so. */
  open(range?: ByteRange): Promise<FileBody>;
  /**
   * Resolves once the bytes are stored here: at once when they are. Throws like `open`, `upstream-mismatch`, and `storage-full` when
   * they cannot be kept. `onCome` is called when nothing more of them is awaited from elsewhere, perhaps before they are stored.
   */
  keep(onCome?: () => void): Promise<void>;
}

/** A read-only index, whatever stands behind it. What takes repositories and is one composes. */
export interface Repository {
  readonly name: string;
  /** The names this repository answers for in this view, ascending. A proxy lists what it has seen. */
  projects(view: View): AsyncIterable<ProjectName>;
  /**
   * Whether the project is known here and what its page's revision is; brings the page up to date first when that is due.
   * `undefined`: not known here. Throws `project-not-found` when it is known but not in this view, so that nobody else answers
   * for it; `upstream-unavailable`, `upstream-timeout` when it cannot be told.
   */
  state(name: ProjectName, view: Look): Promise<PageState | undefined>;
  /**
   * What `state` would answer, where that can be told at once from memory or from what was seen; `'absent'`: that the project is not known here. `undefined`:
   * ask `state`.
   */
  stateNow?(name: ProjectName, view: Look): PageState | 'absent' | undefined;
  /**
   * The project page, or `undefined`. Asks no upstream. With `state`, as `state` found it: whether there is an outage may have
   * changed since, and what is rendered is kept under that revision.
   */
  project(name: ProjectName, view: View, state?: PageState): Promise<ProjectDetail | undefined>;
  /**
   * A distribution file, or with `.metadata` its core metadata; what was seen is of the file itself. `undefined`: the project is not known here. Throws
   * `file-not-found`, `quarantined`, `upstream-unavailable`, `upstream-timeout`.
   */
  file(name: ProjectName, filename: string, view: Look): Promise<ServedFile | undefined>;
  /** Asks again for a project that is known here, whatever is kept of it. Throws `upstream-unavailable`, `upstream-timeout`. */
  refresh?(name: ProjectName): Promise<void>;
  /** The provenance object of a file, which only upstream holds. Throws like `file`. */
  provenance?(
    name: ProjectName,
    filename: string,
    view: View,
  ): Promise<{ contentType: string; body: Buffer } | undefined>;
}
