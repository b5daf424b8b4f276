import type { DistributionFile, ProjectDetail } from '../model/distribution-file.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import type { FirstMatch } from '../repository/first-match.ts';
import { uncovered } from './coverage.ts';
import type { Needed } from './needed.ts';
import { type PickOptions, pickFiles, type Unlisted } from './pick-files.ts';

/** A file that entries of a lock need. */
export interface Planned {
  readonly project: ProjectName;
  readonly file: DistributionFile;
  /** The digests that the lock would accept; empty: any. */
  readonly hashes: ReadonlySet<string>;
  readonly version: string | undefined;
  readonly place: string;
  readonly isOptional: boolean;
}

/** What entries of one project come down to. */
export interface ProjectPlan {
  readonly files: readonly Planned[];
  readonly lacking: readonly { readonly needed: Needed; readonly unlisted: Unlisted }[];
}

const ONLINE = { offline: false };

/** Finds the files of one project's entries on its page, brought up to date when it lacks some. Throws `Problem` when nobody can tell. */
export async function planProject(
  index: FirstMatch,
  project: ProjectName,
  what: { readonly entries: readonly Needed[]; readonly options: PickOptions },
): Promise<ProjectPlan> {
  const state = await index.state(project, ONLINE);
  if (state === undefined) return nothing(what.entries, 'no repository of the index has the project');
  const plan = pickAll(await index.project(project, ONLINE, state), what);
  if (plan.lacking.length === 0 || state.origin.outcome === 'miss') return plan;
  try {
    // The lock may be newer than the page that is kept.
    await index.refresh(project);
  } catch (error) {
    if (error instanceof Problem) return plan;
    throw error;
  }
  return pickAll(await index.project(project, ONLINE), what);
}

function pickAll(
  page: ProjectDetail | undefined,
  { entries, options }: { readonly entries: readonly Needed[]; readonly options: PickOptions },
): ProjectPlan {
  if (page === undefined) return nothing(entries, 'the project has gone from the index');
  if (page.status === 'quarantined') return nothing(entries, 'the project is quarantined');
  const files = new Map<string, Planned>();
  const lacking: { needed: Needed; unlisted: Unlisted }[] = [];
  for (const needed of entries) {
    const { entry, isOptional } = needed;
    const picked = pickFiles(entry, page, options);
    for (const file of picked.files) {
      const before = files.get(file.filename);
      files.set(file.filename, {
        project: page.name,
        file,
        hashes: new Set([...(before?.hashes ?? []), ...entry.hashes]),
        version: entry.version,
        place: before?.place ?? entry.place,
        isOptional: isOptional && before?.isOptional !== false,
      });
    }
    for (const unlisted of picked.unlisted) lacking.push({ needed, unlisted });
    const known = [...picked.files, ...entry.files].flatMap(({ filename }) => filename ?? []);
    for (const target of uncovered(needed, known, options.targets))
      lacking.push({ needed, unlisted: { why: `no file of the lock fits ${target.text}` } });
  }
  return { files: [...files.values()], lacking };
}

function nothing(entries: readonly Needed[], why: string): ProjectPlan {
  return { files: [], lacking: entries.map((needed) => ({ needed, unlisted: { why } })) };
}
