import type { Catalog } from '../catalog/catalog.ts';
import { countRepository, nextRepository } from '../catalog/stats.ts';

/** What is stored under a name that the configuration does not have. */
export interface Unserved {
  readonly repository: string;
  readonly files: number;
}

/** Repositories that hold files and are served by nobody, since they were renamed or taken out. Asks one statement a repository. */
export async function unservedRepositories(catalog: Catalog, configured: readonly string[]): Promise<Unserved[]> {
  const unserved: Unserved[] = [];
  let last = '';
  for (;;) {
    const after = last;
    const repository = await catalog.read(() => nextRepository(after));
    if (repository === undefined) return unserved;
    last = repository;
    if (configured.includes(repository)) continue;
    const { files } = await catalog.read(() => countRepository(repository));
    if (files > 0) unserved.push({ repository, files });
  }
}
