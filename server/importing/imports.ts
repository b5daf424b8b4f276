import type { Catalog } from '../catalog/catalog.ts';
import { enqueueUnlessActive } from '../catalog/jobs.ts';
import type { Clock } from '../clock.ts';
import type { Actor } from '../model/access.ts';
import type { IndexImport, JobReporter } from '../model/job.ts';
import { type ProjectName, projectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import { type Credentials, credentialsIn, withoutCredentials } from '../upstream/credentials.ts';
import { ImportGuard } from './import-guard.ts';
import type { ImportSummary } from './import-report.ts';
import { ImportRun, type ImportRunParts } from './import-run.ts';
import { openSourceIndex, type SourceIndexParts } from './source-index.ts';

/** An index that somebody wants to move in. */
export interface ImportOrder {
  readonly from: IndexImport['from'];
  /** May carry user and password. */
  readonly url: URL;
  readonly login?: Credentials;
  readonly repository: string;
  /** Only these; empty: all. */
  readonly projects: readonly string[];
}

/** Moving other indexes in, as jobs. */
export class Imports {
  readonly #parts: SourceIndexParts & ImportRunParts & { readonly catalog: Catalog; readonly clock: Clock };

  constructor(parts: SourceIndexParts & ImportRunParts & { readonly catalog: Catalog; readonly clock: Clock }) {
    this.#parts = parts;
  }

  /**
   * Makes the job, unless one like it waits or runs: then answers that one. Throws `not-accepted` for an address that must not be asked,
   * `invalid-project-name`.
   */
  async order(order: ImportOrder, actor: Actor): Promise<string> {
    const { from, repository } = order;
    const { catalog, clock, allowHosts } = this.#parts;
    const url = withoutCredentials(order.url);
    const login = order.login ?? loginOf(order.url);
    try {
      await new ImportGuard(url, allowHosts).check(url);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw new Problem('not-accepted', `${url.host} is not asked: ${error.message}.`, { cause: error });
    }
    const projects = [...new Set(namesOf(order.projects))].sort();
    const input: IndexImport = { from, url: url.href, repository, projects };
    const now = clock.nowMs();
    const secret = login === undefined ? {} : { secret: JSON.stringify(login) };
    const job = { kind: 'import-index', input, actor, now, ...secret } as const;
    return (await catalog.write(() => enqueueUnlessActive(job))) ?? '';
  }

  /** Does it. Throws like `ImportRun.all`. */
  async run(
    { projects, ...input }: IndexImport,
    secret: string | undefined,
    { job, actor }: { readonly job: JobReporter; readonly actor: Actor },
  ): Promise<ImportSummary> {
    const login = secret === undefined ? undefined : (JSON.parse(secret) as Credentials);
    const source = await openSourceIndex(input, login, this.#parts);
    try {
      const run = new ImportRun(this.#parts, source, { repository: input.repository, actor });
      return await run.all(namesOf(projects), job);
    } finally {
      await source.close();
    }
  }
}

/** Normalised. Throws `invalid-project-name`. */
function namesOf(texts: readonly string[]): readonly ProjectName[] {
  return texts.map((text) => {
    const name = projectName(text.trim());
    if (name !== undefined) return name;
    throw new Problem('invalid-project-name', `${JSON.stringify(text.slice(0, 60))} is no project name (PEP 508).`);
  });
}

function loginOf(url: URL): Credentials | undefined {
  const login = credentialsIn(url);
  return login.username === '' && login.password === '' ? undefined : login;
}
