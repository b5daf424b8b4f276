import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { skipOrFail } from './skip.ts';

/** A Python packaging tool, the Python that others run on, or what runs playbooks. */
export type ClientName =
  | 'pip'
  | 'uv'
  | 'python'
  | 'twine'
  | 'poetry'
  | 'flit'
  | 'hatch'
  | 'pdm'
  | 'pipenv'
  | 'devpi-server'
  | 'devpi-init'
  | 'devpi-export'
  | 'ansible-playbook';

export interface ClientOutcome {
  readonly status: number | null;
  /** Standard output and error, in the order of their arrival as far as that can be told. */
  readonly output: string;
}

/** What to give a test as its `skip` when one of these tools is not installed; `.ci/run` installs them. */
export function skipWithout(...names: readonly ClientName[]): string | false {
  const absent = names.filter((name) => !existsSync(clientPath(name)));
  return skipOrFail(absent.length === 0 ? undefined : `${absent.join(', ')} not installed`);
}

/** Runs a real client in `cwd`, which is its home as well, with nothing else of this process's environment than the path. */
export async function runClient(
  name: ClientName,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>>; readonly signal?: AbortSignal },
): Promise<ClientOutcome> {
  const { cwd, env = {}, signal } = options;
  const bin = join(clientPath(name), '..');
  const child = spawn(clientPath(name), args, {
    cwd,
    env: {
      PATH: `${bin}:/usr/bin:/bin`,
      HOME: cwd,
      LC_ALL: 'C.UTF-8',
      NO_COLOR: '1',
      COLUMNS: '1000',
      PYTHON_KEYRING_BACKEND: 'keyring.backends.null.Keyring',
      PIP_DISABLE_PIP_VERSION_CHECK: '1',
      UV_CACHE_DIR: join(cwd, '.uv-cache'),
      UV_NO_PROGRESS: '1',
      UV_PYTHON_DOWNLOADS: 'never',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal === undefined ? {} : { signal }),
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [out, err, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { status, output: `${out}\n${err}` };
}

/** Where a client is. `python` is the one that has pip and the reference libraries. */
export function clientPath(name: ClientName): string {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'stormcellar-ci');
  return name === 'python' ? join(cache, 'pip', 'bin', 'python') : join(cache, 'bin', name);
}
