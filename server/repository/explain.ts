import { distributionOf } from '../model/filename.ts';
import { type ProjectName, parseProjectName } from '../model/project-name.ts';
import { compareVersions } from '../model/version.ts';
import { Problem } from '../problem.ts';
import type { FirstMatch } from './first-match.ts';

/** Why a project, version or file is, or is not, visible in an index. */
export interface Explanation {
  readonly index: string;
  readonly project: ProjectName;
  readonly visible: boolean;
  /** One sentence a step, in the order in which the index goes. */
  readonly because: readonly string[];
  readonly repository?: string;
  readonly status?: string;
  readonly versions?: readonly string[];
  /** Those of the version or name that was asked about. */
  readonly files?: readonly {
    readonly filename: string;
    readonly yanked?: true | string;
    readonly uploadTime?: string;
  }[];
}

/** Goes the way of a request and notes each step. */
export async function explain(
  index: FirstMatch,
  asked: { readonly project: string; readonly version?: string | undefined; readonly filename?: string | undefined },
): Promise<Explanation> {
  const project = parseProjectName(asked.project);
  const because: string[] = [];
  const head = { index: index.name, project };
  if (project !== asked.project) because.push(`"${asked.project}" is normalised to "${project}".`);
  const isPrivate = index.privateNames.has(project);
  if (isPrivate) because.push('The name is private in this index: no upstream is asked for it.');
  for (const { kind, repository } of index.sources) {
    if (isPrivate && kind === 'upstream') {
      because.push(`${repository.name} (upstream) is passed over.`);
      continue;
    }
    let state: Awaited<ReturnType<typeof repository.state>>;
    try {
      state = await repository.state(project, { offline: false });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      because.push(
        `${repository.name} (${kind}) could not be asked, so what follows is not looked at: ${error.detail}`,
      );
      return { ...head, visible: false, because };
    }
    if (state === undefined) {
      because.push(`${repository.name} (${kind}) does not know the project.`);
      continue;
    }
    because.push(
      `${repository.name} (${kind}) knows the project and answers for it alone (${state.origin.detail ?? state.origin.outcome}).`,
    );
    const detail = await repository.project(project, { offline: false });
    const all = detail?.files ?? [];
    const files = all.filter(
      (file) =>
        (asked.filename === undefined || file.filename === asked.filename) &&
        (asked.version === undefined || isVersion(distributionOf(file.filename, project).version, asked.version)),
    );
    const status = detail?.status ?? 'active';
    if (status !== 'active')
      because.push(`The project is ${status}${detail?.statusReason === undefined ? '' : `: ${detail.statusReason}`}.`);
    if (files.length === 0) because.push(all.length === 0 ? 'Its page lists no file.' : 'Its page lists no such file.');
    for (const { filename, yanked } of files) {
      if (yanked !== undefined) because.push(`${filename} is yanked${yanked === true ? '' : `: ${yanked}`}.`);
    }
    return {
      ...head,
      visible: files.length > 0,
      because,
      repository: repository.name,
      status,
      versions: detail?.versions ?? [],
      files: files.map(({ filename, yanked, uploadTime }) => ({
        filename,
        ...(yanked === undefined ? {} : { yanked }),
        ...(uploadTime === undefined ? {} : { uploadTime }),
      })),
    };
  }
  because.push('No repository of this index knows the project.');
  return { ...head, visible: false, because };
}

function isVersion(version: string | undefined, asked: string): boolean {
  return version !== undefined && (version === asked || compareVersions(version, asked) === 0);
}
