import { LRUCache } from 'lru-cache';
import { StorageFullError } from '../../storage/errors.ts';
import { CatalogFullError } from '../catalog/errors.ts';
import type { ProjectState } from '../catalog/project-state.ts';
import type { Clock } from '../clock.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import type { Merged } from './known-page.ts';
import type { IndexedPage } from './known-pages.ts';

// An answer is good for a moment: whoever installs asks for page, metadata and file within one.
const GOOD_FOR_MS = 60_000;
const MAX_FILES = 50_000;

/** Whether something was refused because nothing can be kept at the moment: the cellar is read-only, or there is no room. */
export function cannotBeKept(error: unknown): boolean {
  if (error instanceof Problem) return error.slug === 'read-only' || error.slug === 'storage-full';
  return error instanceof StorageFullError || error instanceof CatalogFullError;
}

/**
 * What upstream answered of projects that nobody had asked for before, while nothing can be kept: in memory, for a minute, so that what
 * reads goes on all the same.
 */
export class PassingPages {
  readonly #clock: Clock;
  readonly #pages = new LRUCache<ProjectName, { readonly state: ProjectState; readonly indexed: IndexedPage }>({
    maxSize: MAX_FILES,
    sizeCalculation: ({ indexed }) => indexed.files.size + 1,
  });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  put({ page, empty }: Pick<Merged, 'page' | 'empty'>): void {
    const now = this.#clock.nowMs();
    const state: ProjectState = {
      name: page.name,
      displayName: page.name,
      present: !empty,
      status: page.status,
      isOverridden: false,
      // Kept ones count up from 1: what is rendered of this one is never taken for one of those.
      revision: -now,
      storedRevision: 0,
      changedAt: now,
      etag: undefined,
      checkedAt: now,
      freshUntil: now + GOOD_FOR_MS,
      suspectSince: undefined,
    };
    this.#pages.set(page.name, {
      state,
      indexed: { page, files: new Map(page.files.map((file) => [file.filename, file])) },
    });
  }

  /** The state of a project, while it is good. */
  fresh(name: ProjectName): ProjectState | undefined {
    const state = this.#pages.get(name)?.state;
    return state !== undefined && this.#clock.nowMs() < state.freshUntil ? state : undefined;
  }

  /** The page of a project as it passed last. */
  page(name: ProjectName): IndexedPage | undefined {
    return this.#pages.get(name)?.indexed;
  }

  /** The project has come to be kept. */
  forget(name: ProjectName): void {
    this.#pages.delete(name);
  }
}
