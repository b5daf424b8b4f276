import { parseVersion } from '../../model/version.ts';
import { Problem } from '../../problem.ts';
import { isCommit, shown } from '../lock.ts';
import { GitError, type GitSettings, gitText } from './git-run.ts';

/** What is asked of a repository. */
export interface GitWish {
  /** http(s), without credentials, already checked. */
  readonly url: string;
  /** Branch, tag or commit; absent: what the repository shows first. */
  readonly ref?: string | undefined;
  /** The full commit, when the lock has it. */
  readonly commit?: string | undefined;
}

/** A commit that lies in the repository at `settings.dir`. */
export interface GitCommit {
  readonly commit: string;
  /** Tags that point to it. */
  readonly tags: readonly string[];
}

const SHORT = /^[0-9a-f]{7,39}$/;
// Ours: the repositories with the most branches and tags list some 10 MB.
const MAX_REFS_BYTES = 64 * 1024 * 1024;
const MAX_REF = 500;

/**
 * Resolves what is asked for to a full commit, as pip does: a branch before a tag, and fetches that commit alone where the server lets it.
 * Throws `GitError` for what git says, `not-accepted` for a ref that could be an option, `source-not-found` for one that is not there.
 */
export async function fetchCommit(wish: GitWish, settings: GitSettings): Promise<GitCommit> {
  const { url, ref } = wish;
  if (ref !== undefined && (ref.startsWith('-') || ref.length > MAX_REF || /[^\x21-\x7e]|[~^:?*[\\]|\.\./.test(ref)))
    throw new Problem('not-accepted', `${shown(ref)} is not the name of a branch, tag or commit.`);
  await gitText(['init', '--quiet', '--bare', '--template=', '.'], settings);
  const refs = await listRefs(url, settings);
  const asked = wish.commit ?? (isCommit(ref) ? ref : resolved(refs, ref));
  const commit = asked ?? (ref !== undefined && SHORT.test(ref) ? await fromShort(url, ref, settings) : undefined);
  if (commit === undefined) {
    const what = ref === undefined ? 'no branch that it shows first' : `neither a branch nor a tag ${shown(ref)}`;
    throw new Problem('source-not-found', `${shown(url)} has ${what}.`);
  }
  await fetchOne(url, commit, settings);
  const tags = [...refs].flatMap(([name, id]) =>
    id === commit && name.startsWith('refs/tags/') ? [name.slice(10)] : [],
  );
  return { commit, tags };
}

/** The version that a tag of the commit tells; of several, the one that sorts last as text is as good as any. */
export function versionOfTags(tags: readonly string[]): string | undefined {
  const versions = tags.flatMap((tag) => parseVersion(/(?:^|[-/_])v?(\d[\w.!+]*)$/.exec(tag)?.[1] ?? '')?.text ?? []);
  return versions.sort().at(-1);
}

/** Commits by the full names of branches and tags; of an annotated tag, the commit that it points to. */
async function listRefs(url: string, settings: GitSettings): Promise<ReadonlyMap<string, string>> {
  const text = await gitText(['ls-remote', '--quiet', '--', url], settings, MAX_REFS_BYTES);
  const refs = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [id = '', name = ''] = line.split('\t');
    if (!isCommit(id)) continue;
    const peeled = name.endsWith('^{}') ? name.slice(0, -3) : undefined;
    refs.set(peeled ?? name, id);
  }
  return refs;
}

function resolved(refs: ReadonlyMap<string, string>, ref: string | undefined): string | undefined {
  if (ref === undefined || ref === 'HEAD') return refs.get('HEAD');
  return (
    refs.get(`refs/heads/${ref}`) ??
    refs.get(`refs/tags/${ref}`) ??
    (ref.startsWith('refs/') ? refs.get(ref) : undefined)
  );
}

const QUIET = ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules'];
const EVERYTHING = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'];

async function fetchOne(url: string, commit: string, settings: GitSettings): Promise<void> {
  try {
    await gitText([...QUIET, '--depth=1', '--', url, commit], settings);
    if (await hasCommit(commit, settings)) return;
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    // Some servers give out branches and tags only, and plain file servers nothing but everything.
  }
  await gitText([...QUIET, '--', url, ...EVERYTHING], settings);
  if (await hasCommit(commit, settings)) return;
  throw new Problem('source-not-found', `${shown(url)} has no commit ${commit} that can be fetched.`);
}

async function fromShort(url: string, short: string, settings: GitSettings): Promise<string | undefined> {
  await gitText([...QUIET, '--', url, ...EVERYTHING], settings);
  try {
    return (await gitText(['rev-parse', '--verify', '--quiet', `${short}^{commit}`], settings)).trim();
  } catch (error) {
    if (error instanceof GitError) return undefined;
    throw error;
  }
}

async function hasCommit(commit: string, settings: GitSettings): Promise<boolean> {
  try {
    return (await gitText(['cat-file', '-t', commit], settings)).trim() === 'commit';
  } catch (error) {
    if (error instanceof GitError) return false;
    throw error;
  }
}
