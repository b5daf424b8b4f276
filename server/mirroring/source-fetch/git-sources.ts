import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import type { ProjectName } from '../../model/project-name.ts';
import { Problem } from '../../problem.ts';
import { drop } from '../../upstream/body.ts';
import { within } from '../../upstream/deadline.ts';
import { type ProxySettings, proxyFor } from '../../upstream/proxy.ts';
import { Gate } from '../gate.ts';
import { shown } from '../lock.ts';
import type { AllowedHosts } from './allowed-hosts.ts';
import { type GitArchive, packCommit } from './git-archive.ts';
import { fetchCommit } from './git-fetch.ts';
import { GitError, type GitSettings } from './git-run.ts';
import { fetchProblem, type SourceWeb } from './source-web.ts';

export interface GitSourcesParts {
  readonly clock: Clock;
  readonly hosts: AllowedHosts;
  readonly web: SourceWeb;
  readonly proxies: ProxySettings;
  /** Where `git` is looked for. */
  readonly path: string;
  /** For archives on their way into the store. */
  readonly spoolDir: string;
  /** A folder of our own for repositories; emptied by `sweep`. */
  readonly workDir: string;
  /** For one requirement. */
  readonly timeoutMs: number;
  /** Of one repository, and of the files of one commit. */
  readonly maxBytes: number;
  readonly maxEntries: number;
}

/** What is asked of a git repository. */
export interface GitOrder {
  readonly url: string;
  readonly ref: string | undefined;
  readonly commit: string | undefined;
  readonly subdirectory: string | undefined;
  /** The archive is to have this folder at its top, and nothing around it. */
  readonly atTop: true | undefined;
  readonly project: ProjectName | undefined;
  readonly version: string | undefined;
}

// Repositories are large, and each one is a few processes.
const AT_ONCE = 2;

/** Packs commits of git repositories that lie on allowed hosts. */
export class GitSources {
  readonly #parts: GitSourcesParts;
  readonly #gate = new Gate(AT_ONCE);

  constructor(parts: GitSourcesParts) {
    this.#parts = parts;
  }

  /** Removes what an earlier process left behind. */
  async sweep(): Promise<void> {
    await rm(this.#parts.workDir, { recursive: true, force: true });
  }

  /** Throws `Problem`. The caller keeps the archive's file, and calls `discard` in any case. */
  async pack(order: GitOrder, signal: AbortSignal): Promise<GitArchive & { readonly commit: string }> {
    return await this.#gate.run(async () => {
      const { clock, timeoutMs, workDir } = this.#parts;
      const asked = addressOf(order.url);
      await mkdir(workDir, { recursive: true });
      const dir = await mkdtemp(join(workDir, 'git-'));
      try {
        return await within({ clock, ms: timeoutMs, signal }, async (limited) => {
          const url = await this.#final(asked, limited);
          return await this.#packed({ ...order, url: url.href }, { dir, url, signal: limited });
        });
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        throw error instanceof GitError ? gitProblem(asked, error) : fetchProblem(asked, error);
      } finally {
        await rm(dir, { recursive: true, force: true });
      }
    });
  }

  async #packed(
    order: GitOrder,
    { dir, url, signal }: { readonly dir: string; readonly url: URL; readonly signal: AbortSignal },
  ): Promise<GitArchive & { readonly commit: string }> {
    const { path, maxBytes, maxEntries, spoolDir } = this.#parts;
    const settings: GitSettings = { path, dir, maxBytes, signal, config: await this.#wayTo(url) };
    const { ref, commit: wanted, project, version, subdirectory, atTop } = order;
    const commit = await fetchCommit({ url: url.href, ref, commit: wanted }, settings);
    const packing = { commit, project, version, subdirectory, atTop };
    const archive = await packCommit(packing, settings, { spoolDir, caps: { maxBytes, maxEntries } });
    return { ...archive, commit: commit.commit };
  }

  /** Where the repository is, after redirects, each of them checked: git follows none. */
  async #final(asked: URL, signal: AbortSignal): Promise<URL> {
    const { web } = this.#parts;
    const probe = `${asked.href.replace(/\/+$/, '')}/info/refs?service=git-upload-pack`;
    const final = await web.get(probe, { signal, isVerified: false }, async ({ body, url }) => {
      drop(body);
      return url;
    });
    const base = new URL(final);
    base.pathname = base.pathname.replace(/\/info\/refs$/, '');
    base.search = '';
    return base;
  }

  /** Pins the addresses that were checked, or names the proxy. */
  async #wayTo(url: URL): Promise<Record<string, string>> {
    const { hosts, proxies } = this.#parts;
    const proxy = proxyFor(url, proxies);
    if (proxy !== undefined) return { 'http.proxy': proxy.href };
    const addresses = await hosts.addresses(url);
    if (addresses.length === 0) return { 'http.proxy': '' };
    const port = url.port || (url.protocol === 'https:' ? '443' : '80');
    return { 'http.proxy': '', 'http.curloptResolve': `${url.hostname}:${port}:${addresses.join(',')}` };
  }
}

/** The address without the user that only ssh needs. Whether it is allowed is asked next. Throws `not-accepted`. */
function addressOf(text: string): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new Problem('not-accepted', `${shown(text)} is not reached over http(s): write git+https://… .`);
  }
  if (url.username === 'git' && url.password === '') url.username = '';
  url.hash = '';
  return url;
}

function gitProblem(url: URL, error: GitError): Problem {
  const wantsCredentials = /could not read Username|Authentication failed|terminal prompts disabled/.test(
    error.message,
  );
  const why = wantsCredentials ? 'it does not exist, or wants credentials' : error.message;
  return new Problem('upstream-unavailable', `git cannot fetch ${shown(url.href)}: ${why}.`, { cause: error });
}
