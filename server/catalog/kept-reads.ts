import type { ProjectName } from '../model/project-name.ts';
import type { Catalog, Script } from './catalog.ts';
import type { HotReads } from './hot-reads.ts';
import { findProjectState, type ProjectState } from './project-state.ts';
import { findStoredFile, findStoredMetadata, type StoredFile, type StoredMetadata } from './stored-files.ts';
import { tokenGeneration } from './tokens.ts';

/** Of each kind. */
const MOST = 10_000;

interface Kept<T> {
  readonly answer: Promise<T>;
  /** Set once it has come. */
  found?: { readonly value: T };
}

/**
 * The hot reads of a catalog that tells when something was written: until then each is read once. A page that is asked for a thousand
 * times a second then costs no query at all, and one that has changed is seen by the next request.
 */
export class KeptReads implements HotReads {
  readonly #catalog: Catalog;
  #version: number | undefined;
  readonly #states = new Map<string, Kept<ProjectState | undefined>>();
  readonly #files = new Map<string, Kept<StoredFile | undefined>>();
  readonly #metadata = new Map<string, Kept<StoredMetadata | undefined>>();

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  projectState(repository: string, name: ProjectName): Promise<ProjectState | undefined> {
    return this.#kept(this.#states, `${repository}\n${name}`, () => findProjectState(repository, name));
  }

  projectStateNow(repository: string, name: ProjectName): ProjectState | 'absent' | undefined {
    if (this.#catalog.version !== this.#version) return undefined;
    const found = this.#states.get(`${repository}\n${name}`)?.found;
    return found === undefined ? undefined : (found.value ?? 'absent');
  }

  storedFile(repository: string, name: ProjectName, filename: string): Promise<StoredFile | undefined> {
    const key = `${repository}\n${name}\n${filename}`;
    return this.#kept(this.#files, key, () => findStoredFile(repository, name, filename));
  }

  storedMetadata(repository: string, name: ProjectName, filename: string): Promise<StoredMetadata | undefined> {
    const key = `${repository}\n${name}\n${filename}`;
    return this.#kept(this.#metadata, key, () => findStoredMetadata(repository, name, filename));
  }

  tokenGeneration(): Promise<number> {
    return this.#catalog.read(tokenGeneration);
  }

  certain(): void {}

  #kept<T>(answers: Map<string, Kept<T>>, key: string, script: () => Script<T>): Promise<T> {
    if (this.#catalog.version !== this.#version) this.#forget();
    const known = answers.get(key);
    if (known !== undefined) return known.answer;
    if (answers.size >= MOST) answers.clear();
    const kept: Kept<T> = { answer: this.#catalog.read(script) };
    answers.set(key, kept);
    kept.answer.then(
      (value) => {
        kept.found = { value };
      },
      // Whoever asked is told.
      () => answers.delete(key),
    );
    return kept.answer;
  }

  #forget(): void {
    this.#version = this.#catalog.version;
    for (const answers of [this.#states, this.#files, this.#metadata]) answers.clear();
  }
}
