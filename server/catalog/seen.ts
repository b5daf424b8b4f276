import type { ProjectName } from '../model/project-name.ts';
import type { Wanted } from './look.ts';
import type { Glance } from './looks.ts';
import type { ProjectReads } from './project-reads.ts';
import type { ProjectState } from './project-state.ts';
import type { StoredFile, StoredMetadata } from './stored-files.ts';

/** What a look has found, asked one by one. Throws `RangeError` when it is asked for what was not looked for. */
export class Seen implements ProjectReads {
  /** Of tokens, at the same moment. */
  readonly generation: number;
  readonly #wanted: Wanted;
  readonly #found: Glance['found'];
  readonly #isRemembered: boolean;

  /** `isRemembered`: it was found earlier, and the catalog is away now. */
  constructor(wanted: Wanted, glance: Glance, { isRemembered }: { readonly isRemembered: boolean }) {
    this.generation = glance.generation;
    this.#wanted = wanted;
    this.#found = glance.found;
    this.#isRemembered = isRemembered;
  }

  projectStateNow(repository: string, name: ProjectName): ProjectState | 'absent' {
    if (name !== this.#wanted.name) throw new RangeError(`${name} was not looked for`);
    return this.#marked(this.#found.states.get(repository)) ?? 'absent';
  }

  async projectState(repository: string, name: ProjectName): Promise<ProjectState | undefined> {
    const state = this.projectStateNow(repository, name);
    return state === 'absent' ? undefined : state;
  }

  async storedFile(repository: string, name: ProjectName, filename: string): Promise<StoredFile | undefined> {
    this.#checkFile(name, filename);
    return this.#marked(this.#found.files.get(repository));
  }

  async storedMetadata(repository: string, name: ProjectName, filename: string): Promise<StoredMetadata | undefined> {
    this.#checkFile(name, filename);
    return this.#marked(this.#found.metadata.get(repository));
  }

  #checkFile(name: ProjectName, filename: string): void {
    if (name === this.#wanted.name && filename === this.#wanted.filename) return;
    throw new RangeError(`${filename} of ${name} was not looked for`);
  }

  #marked<T extends object>(value: T | undefined): T | undefined {
    return value === undefined || !this.#isRemembered ? value : { ...value, isRemembered: true };
  }
}
