import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { Problem } from '../../problem.ts';

/** How `git` may be run. */
export interface GitSettings {
  /** Where `git` is looked for: `PATH`. */
  readonly path: string;
  /** A folder of its own: the only one it works in, and its home. */
  readonly dir: string;
  /** Largest file it may write. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  /** More settings, as `git -c` has them. They go by the environment, so that they show in no list of processes. */
  readonly config?: Readonly<Record<string, string>>;
}

/** `git` ended with a failure. The message is the last line that it said. */
export class GitError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'GitError';
  }
}

// Everything by which a repository, a server or this machine's settings could make git do more than fetch.
const CONFIG: Readonly<Record<string, string>> = {
  'protocol.allow': 'never',
  'protocol.http.allow': 'always',
  'protocol.https.allow': 'always',
  'core.hooksPath': '/dev/null',
  'core.fsmonitor': 'false',
  'core.askPass': '',
  'credential.helper': '',
  'http.followRedirects': 'false',
  'http.cookieFile': '',
  'http.lowSpeedLimit': '1000',
  'http.lowSpeedTime': '60',
  'submodule.recurse': 'false',
  'fetch.recurseSubmodules': 'false',
  'fetch.unpackLimit': '1',
  'transfer.bundleURI': 'false',
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'pack.threads': '1',
  'init.defaultBranch': 'none',
  'advice.detachedHead': 'false',
};

const MAX_COMPLAINT = 4_000;
// POSIX: the unit of `ulimit -f`.
const BLOCK_BYTES = 512;

/** Runs `git` and hands its output to `use` as it comes; `input` is what it reads. Throws `GitError`, and `Problem` when there is no git. */
export async function runGit<T>(
  args: readonly string[],
  settings: GitSettings,
  use: (output: Readable, input: Writable) => Promise<T>,
): Promise<T> {
  const { signal, dir, maxBytes } = settings;
  signal.throwIfAborted();
  const limit = String(Math.max(1, Math.ceil(maxBytes / BLOCK_BYTES)));
  // A pack is one file, so this bounds what a server can make us write. exec: the process is git itself.
  const script = 'ulimit -f "$1" && shift && exec git "$@"';
  const child = spawn('/bin/sh', ['-c', script, 'sh', limit, ...args], {
    cwd: dir,
    env: environment(settings),
    stdio: ['pipe', 'pipe', 'pipe'],
    // A group of its own: git's helpers end with it.
    detached: true,
  });
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => {
    complaint = (complaint + text.toString('utf8')).slice(-MAX_COMPLAINT);
  });
  child.stdin.on('error', () => {}); // git ended before it had read everything: its exit code says why
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  ended.catch(() => {}); // `use` may fail first
  const kill = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended already.
    }
  };
  signal.addEventListener('abort', kill, { once: true });
  try {
    const result = await use(child.stdout, child.stdin);
    child.stdin.end();
    child.stdout.resume();
    const status = await ended;
    signal.throwIfAborted();
    if (status !== 0) throw failure(status, complaint);
    return result;
  } catch (error) {
    kill();
    const status = await ended.catch(() => null);
    if (signal.aborted) throw signal.reason;
    if (error instanceof GitError || error instanceof Problem) throw error;
    if (status !== 0 && status !== null) throw failure(status, complaint);
    throw error;
  } finally {
    signal.removeEventListener('abort', kill);
  }
}

/** The same for a short output: the whole of it, at most `maxOutput` bytes. */
export async function gitText(
  args: readonly string[],
  settings: GitSettings,
  maxOutput: number = 1024 * 1024,
): Promise<string> {
  return await runGit(args, settings, async (output, input) => {
    input.end();
    const pieces: Buffer[] = [];
    let size = 0;
    for await (const piece of output as AsyncIterable<Buffer>) {
      size += piece.length;
      if (size > maxOutput) throw new GitError('the answer is too long');
      pieces.push(piece);
    }
    return Buffer.concat(pieces).toString('utf8');
  });
}

function environment({ path, dir, config = {} }: GitSettings): Record<string, string> {
  const all = Object.entries({ ...CONFIG, ...config });
  const given = all.flatMap(([key, value], i) => [
    [`GIT_CONFIG_KEY_${i}`, key],
    [`GIT_CONFIG_VALUE_${i}`, value],
  ]);
  return {
    PATH: path,
    HOME: dir,
    XDG_CONFIG_HOME: dir,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: 'http:https',
    GIT_PROTOCOL_FROM_USER: '0',
    GIT_LFS_SKIP_SMUDGE: '1',
    GIT_NO_LAZY_FETCH: '1',
    GIT_CONFIG_COUNT: String(all.length),
    ...Object.fromEntries(given),
  };
}

function failure(status: number | null, complaint: string): GitError {
  const lines = complaint
    .split('\n')
    .map((line) => line.replace(/[^\x20-\x7e]/g, '').trim())
    .filter((line) => line !== '');
  const last = lines.findLast((line) => /^(?:fatal|error|remote):/i.test(line)) ?? lines.at(-1);
  if (status === 127) throw new Problem('not-accepted', 'There is no git on this server, which git requirements need.');
  if (last === undefined) return new GitError(status === null ? 'git was stopped' : `git ended with status ${status}`);
  return new GitError(last.replace(/^(?:fatal|error|remote):\s*/i, '').slice(0, 300));
}
