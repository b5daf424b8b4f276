import { LRUCache } from 'lru-cache';
import type { Catalog } from '../catalog/catalog.ts';
import type { ProjectState } from '../catalog/project-state.ts';
import { findUpstreamPage } from '../catalog/upstream-pages.ts';
import type { ProjectName } from '../model/project-name.ts';
import type { KnownFile, KnownPage } from './known-page.ts';

/** A kept page with its files by name. */
export interface IndexedPage {
  readonly page: KnownPage;
  readonly files: ReadonlyMap<string, KnownFile>;
}

// In characters of JSON; parsed, a page takes two to three times that.
const MAX_TEXT = 8 * 1024 * 1024;

/** The kept pages of one upstream, parsed once per revision: a cold closure asks the same page for each of its files. */
export class KnownPages {
  readonly #catalog: Catalog;
  readonly #repository: string;
  readonly #cache = new LRUCache<
    ProjectName,
    { readonly revision: number; readonly indexed: IndexedPage; readonly size: number }
  >({
    maxSize: MAX_TEXT,
    sizeCalculation: (entry) => entry.size,
  });

  constructor(catalog: Catalog, repository: string) {
    this.#catalog = catalog;
    this.#repository = repository;
  }

  /** The page at this state or a later one; `undefined` when none is kept. */
  async get(state: ProjectState): Promise<IndexedPage | undefined> {
    const cached = this.#cache.get(state.name);
    if (cached?.revision === state.revision) return cached.indexed;
    const text = await this.#catalog.read(() => findUpstreamPage(this.#repository, state.name));
    if (text === undefined) return undefined;
    const page = JSON.parse(text) as KnownPage;
    return this.put({ name: state.name, revision: state.revision, page, length: text.length });
  }

  /** A page as it was just written, `length` characters of JSON. */
  put(written: {
    readonly name: ProjectName;
    readonly revision: number;
    readonly page: KnownPage;
    readonly length: number;
  }): IndexedPage {
    const { name, revision, page, length } = written;
    const indexed = { page, files: new Map(page.files.map((file) => [file.filename, file])) };
    this.#cache.set(name, { revision, indexed, size: length + 1 });
    return indexed;
  }
}
