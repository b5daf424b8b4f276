import { parseCoreMetadata } from '../model/core-metadata.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import { servedBytes } from '../repository/read-served.ts';
import type { Repository } from '../repository/repository.ts';
import type { BuildRelease, BuildWorld, Candidate, Lacking } from './build-closure.ts';

/** Build requirements out of what is stored, for drills: asks no upstream. */
export class OfflineWorld implements BuildWorld {
  readonly #repositoryOf: (project: ProjectName) => Promise<Repository | undefined>;
  readonly #onTaken: (release: BuildRelease, repository: Repository) => Promise<readonly string[]>;
  readonly #onLacking: BuildWorld['lacks'];

  /**
   * `repositoryOf`: which repository answers for a project. `onTaken` is told each release that is needed and here, and answers what its
   * sdists need when it has no wheel.
   */
  constructor(parts: {
    readonly repositoryOf: (project: ProjectName) => Promise<Repository | undefined>;
    readonly onTaken: (release: BuildRelease, repository: Repository) => Promise<readonly string[]>;
    readonly onLacking: BuildWorld['lacks'];
  }) {
    this.#repositoryOf = parts.repositoryOf;
    this.#onTaken = parts.onTaken;
    this.#onLacking = parts.onLacking;
  }

  async candidates(project: ProjectName): Promise<readonly Candidate[] | undefined> {
    const repository = await this.#repositoryOf(project);
    const detail = await repository?.project(project, { offline: true });
    return detail?.files;
  }

  async take(release: BuildRelease): Promise<readonly string[]> {
    const repository = await this.#repositoryOf(release.project);
    if (repository === undefined) return [];
    const more = await this.#onTaken(release, repository);
    return [...more, ...(await requiresDist(repository, release, { offline: true }))];
  }

  lacks(what: Lacking): void {
    this.#onLacking(what);
  }
}

/** `Requires-Dist` of a release's first wheel; nothing where it has none, or no core metadata. */
export async function requiresDist(
  repository: Repository,
  { project, filenames }: Pick<BuildRelease, 'project' | 'filenames'>,
  view: { readonly offline: boolean },
): Promise<readonly string[]> {
  const wheel = filenames.find((filename) => filename.endsWith('.whl'));
  if (wheel === undefined) return [];
  try {
    const file = await repository.file(project, `${wheel}.metadata`, view);
    if (file === undefined) return [];
    return parseCoreMetadata(await servedBytes(file)).requiresDist;
  } catch (error) {
    if (error instanceof Problem && error.slug === 'file-not-found') return [];
    throw error;
  }
}
