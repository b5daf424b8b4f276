import type { ProjectName } from '../model/project-name.ts';
import type { Catalog, Script } from './catalog.ts';
import type { HotReads } from './hot-reads.ts';
import { findProjectState, type ProjectState } from './project-state.ts';
import { findStoredFile, findStoredMetadata, type StoredFile, type StoredMetadata } from './stored-files.ts';
import { tokenGeneration } from './tokens.ts';

/** Of each kind. */
const MOST = 10_000;

/**
 * The hot reads of a catalog that tells when something was written: until then each is read once. A page that is asked for a thousand
 * times a second then costs no query at all, and one that has changed is seen by the next request.
 */
export class KeptReads implements HotReads {
  readonly #catalog: Catalog;
  #version: number | undefined;
  readonly #states = new Map<string, Promise<ProjectState | undefined>>();
  readonly #files = new Map<string, Promise<StoredFile | undefined>>();
  readonly #metadata = new Map<string, Promise<StoredMetadata | undefined>>();

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  projectState(repository: string, name: ProjectName): Promise<ProjectState | undefined> {
    return this.#kept(this.#states, `${repository}\n${name}`, () => findProjectState(repository, name));
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

  #kept<T>(answers: Map<string, Promise<T>>, key: string, script: () => Script<T>): Promise<T> {
    if (this.#catalog.version !== this.#version) this.#forget();
    const known = answers.get(key);
    if (known !== undefined) return known;
    if (answers.size >= MOST) answers.clear();
    const answer = this.#catalog.read(script);
    answers.set(key, answer);
    answer.catch(() => answers.delete(key)); // whoever asked is told
    return answer;
  }

  #forget(): void {
    this.#version = this.#catalog.version;
    for (const answers of [this.#states, this.#files, this.#metadata]) answers.clear();
  }
}
