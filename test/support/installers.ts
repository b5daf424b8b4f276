import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ClientOutcome, clientPath, runClient } from './clients.ts';
import { makeTempDir } from './temp-dir.ts';

/** What an installer left behind. */
export interface Installed extends ClientOutcome {
  /** Version of each distribution that was installed, by its name as in the file names. */
  readonly versions: Readonly<Record<string, string>>;
}

export interface InstallOptions {
  /** Address of the index, ending in `/simple/`. */
  readonly index: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A cache that lasts; none unless given. */
  readonly cacheDir?: string;
  /** Where to run; a folder of its own unless given. */
  readonly cwd?: string;
}

/** `pip install ARGS` into an empty folder. */
export async function pipInstall(options: InstallOptions): Promise<Installed> {
  const cache = options.cacheDir === undefined ? '--no-cache-dir' : `--cache-dir=${options.cacheDir}`;
  const own = ['install', '--no-input', cache, '--disable-pip-version-check', '--retries', '1'];
  return install('pip', options, (target) => [...own, '--index-url', options.index, '--target', target]);
}

/** `uv pip install ARGS` into an empty folder. */
export async function uvInstall(options: InstallOptions): Promise<Installed> {
  const cache = options.cacheDir === undefined ? '--no-cache' : `--cache-dir=${options.cacheDir}`;
  const own = ['pip', 'install', cache, '--python', clientPath('python')];
  const env = { UV_HTTP_RETRIES: '1', ...options.env };
  return install('uv', { ...options, env }, (target) => [...own, '--default-index', options.index, '--target', target]);
}

async function install(
  client: 'pip' | 'uv',
  { args, env = {}, cwd }: InstallOptions,
  own: (target: string) => readonly string[],
): Promise<Installed> {
  const { dir, remove } = await makeTempDir();
  try {
    const target = join(dir, 'target');
    await mkdir(target);
    const outcome = await runClient(client, [...own(target), ...args], { cwd: cwd ?? dir, env });
    return { ...outcome, versions: await versionsIn(target) };
  } finally {
    await remove();
  }
}

async function versionsIn(folder: string): Promise<Record<string, string>> {
  const versions: Record<string, string> = {};
  for (const name of await readdir(folder)) {
    const match = /^(.+?)-(.+)\.dist-info$/.exec(name);
    if (match?.[1] !== undefined && match[2] !== undefined) versions[match[1]] = match[2];
  }
  return versions;
}
