import type { Catalog } from '../catalog/catalog.ts';
import {
  type Change,
  deleteFile,
  deleteRelease,
  overrideStatus,
  setHostedStatus,
  yankRelease,
} from '../catalog/manage-projects.ts';
import type { Clock } from '../clock.ts';
import type { Actor } from '../model/access.ts';
import type { ProjectStatus } from '../model/distribution-file.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';

/** Which project an administrator means. */
export interface ProjectKey {
  readonly repository: string;
  readonly project: ProjectName;
}

/**
 * What administrators do with projects after they were published: status, yank, delete. Each is on the project's page as soon as
 * it resolves, and in the audit trail. Throws `repository-not-found`, `not-hosted`, `project-not-found`, `release-not-found`,
 * `file-not-found`.
 */
export class ProjectAdmin {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #kinds: ReadonlyMap<string, 'hosted' | 'upstream'>;

  /** `repositories`: what each repository is. */
  constructor(parts: {
    readonly catalog: Catalog;
    readonly clock: Clock;
    readonly repositories: ReadonlyMap<string, 'hosted' | 'upstream'>;
  }) {
    this.#catalog = parts.catalog;
    this.#clock = parts.clock;
    this.#kinds = parts.repositories;
  }

  /** Of an upstream's project it overrules what the upstream says, until it is set to `null`; of a hosted one `null` means active. */
  async setStatus(
    key: ProjectKey,
    wanted: { readonly status: ProjectStatus | null; readonly reason?: string | undefined },
    actor: Actor,
  ): Promise<void> {
    const change = this.#change(key, actor);
    const isHosted = this.#kindOf(key.repository) === 'hosted';
    await this.#catalog.write(() =>
      isHosted
        ? setHostedStatus(change, wanted.status ?? 'active', wanted.reason)
        : overrideStatus(change, wanted.status ?? undefined, wanted.reason),
    );
  }

  /** `version` in any spelling; answers it as the page has it. An empty reason is none. */
  async yank(key: ProjectKey, version: string, yanked: boolean | string, actor: Actor): Promise<string> {
    this.#mustBeHosted(key.repository);
    const change = this.#change(key, actor);
    const mark = yanked === false ? undefined : yanked === '' ? true : yanked;
    return await this.#catalog.write(() => yankRelease(change, version, mark));
  }

  /** Every file of the release; their names stay taken. */
  async deleteRelease(key: ProjectKey, version: string, actor: Actor): Promise<void> {
    this.#mustBeHosted(key.repository);
    const change = this.#change(key, actor);
    await this.#catalog.write(() => deleteRelease(change, version));
  }

  /** Its name stays taken. */
  async deleteFile(key: ProjectKey, filename: string, actor: Actor): Promise<void> {
    this.#mustBeHosted(key.repository);
    const change = this.#change(key, actor);
    await this.#catalog.write(() => deleteFile(change, filename));
  }

  #change(key: ProjectKey, actor: Actor): Change {
    return { ...key, actor, at: this.#clock.nowMs() };
  }

  #kindOf(repository: string): 'hosted' | 'upstream' {
    const kind = this.#kinds.get(repository);
    if (kind !== undefined) return kind;
    const names = [...this.#kinds.keys()].join(', ');
    throw new Problem('repository-not-found', `There is no repository of that name here, only: ${names}.`);
  }

  #mustBeHosted(repository: string): void {
    if (this.#kindOf(repository) === 'hosted') return;
    throw new Problem('not-hosted', `${repository} is an upstream: its files are not ours to yank or delete.`);
  }
}
