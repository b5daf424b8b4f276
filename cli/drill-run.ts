import { spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { type ServerOptions, serverOf } from './client.ts';
import { CommandFailure } from './failure.ts';
import type { LockBody } from './lock-file.ts';
import { onlyProxy } from './only-proxy.ts';
import { note } from './print.ts';

/** The tool's own verdict. */
export interface DrillRun {
  readonly tool: string;
  readonly ok: boolean;
  readonly status: number | null;
  readonly ms: number;
  /** Hosts that the tool wanted to reach besides the server. */
  readonly refused: readonly string[];
  /** The last of what it said. */
  readonly output: string;
}

interface RunOptions extends ServerOptions {
  readonly requirement: string;
  readonly index?: string;
  readonly python: string;
}

const MAX_OUTPUT = 20_000;

/**
 * Installs a lock for real: a fresh virtual environment and an empty cache in a folder of their own, and the way out through a proxy that
 * lets only the server be reached. Throws `CommandFailure` when the tool is not there, or does not read such a lock.
 */
export async function runDrill(tool: 'pip' | 'uv', body: LockBody, options: RunOptions): Promise<DrillRun> {
  const dir = await mkdtemp(join(tmpdir(), 'stormcellar-drill-'));
  const proxy = await onlyProxy(new URL(options.server));
  try {
    for (const [name, text] of Object.entries(body.parts ?? {})) await put(dir, name, text);
    await put(dir, body.name, body.content);
    const index = withToken(options);
    const env = environment(dir, { index, proxy: proxy.url });
    const python = join(dir, 'venv', 'bin', 'python');
    const venv = await run(options.python, ['-m', 'venv', join(dir, 'venv')], { dir, env });
    if (venv.status !== 0)
      throw new CommandFailure(`No environment could be made with ${options.python}: ${venv.output.trim()}`);
    const steps = await stepsOf(tool, body, { dir, python, from: options.requirement });
    const begun = Date.now();
    let last = { status: 0 as number | null, output: '' };
    for (const [program, ...args] of steps) {
      note(`${basename(program)} ${args.join(' ')}`.replaceAll(dir, '.'));
      last = await run(program, args, { dir, env });
      if (last.status !== 0) break;
    }
    const { status, output } = last;
    return { tool, ok: status === 0, status, ms: Date.now() - begun, refused: proxy.refused(), output };
  } finally {
    await proxy.close();
    await rm(dir, { recursive: true, force: true });
  }
}

type Step = readonly [program: string, ...args: string[]];

async function stepsOf(
  tool: 'pip' | 'uv',
  { name }: LockBody,
  { dir, python, from }: { readonly dir: string; readonly python: string; readonly from: string },
): Promise<readonly Step[]> {
  const isRequirements = /\.(?:txt|in|pip)$/i.test(name);
  if (tool === 'pip') {
    if (!isRequirements && !/^pylock(?:\.[^.]+)?\.toml$/.test(name)) throw wrongTool(tool, name);
    return [
      [python, '-m', 'pip', 'install', '--no-input', '--no-cache-dir', '--disable-pip-version-check', '-r', name],
    ];
  }
  if (name === 'uv.lock') {
    // uv reads a lock only beside the project that it belongs to.
    try {
      await copyFile(join(dirname(from), 'pyproject.toml'), join(dir, 'pyproject.toml'));
    } catch (cause) {
      throw new CommandFailure('uv.lock needs the pyproject.toml beside it.', 2, { cause });
    }
    return [
      [
        'uv',
        'sync',
        '--frozen',
        '--no-install-project',
        '--no-install-workspace',
        '--all-extras',
        '--all-groups',
        '--active',
      ],
    ];
  }
  if (!isRequirements && !/^pylock(?:\.[^.]+)?\.toml$/.test(name)) throw wrongTool(tool, name);
  return [['uv', 'pip', 'install', '--python', python, '-r', name]];
}

function wrongTool(tool: string, name: string): CommandFailure {
  return new CommandFailure(`${tool} does not install from ${name}; requirements files and pylock.toml it does.`, 2);
}

function withToken({ index, ...options }: RunOptions): string {
  const { base, token } = serverOf(options);
  const url = new URL(`${base}${index === undefined ? '' : `/index/${index}`}/simple/`);
  if (token !== undefined) {
    url.username = '__token__';
    url.password = token;
  }
  return url.href;
}

/** Nothing of the caller's own settings: only what finds programs, and the way through the proxy. */
function environment(
  dir: string,
  { index, proxy }: { readonly index: string; readonly proxy: string },
): Record<string, string> {
  const { PATH = '' } = process.env;
  return {
    PATH,
    HOME: dir,
    VIRTUAL_ENV: join(dir, 'venv'),
    PIP_CONFIG_FILE: '/dev/null',
    PIP_INDEX_URL: index,
    // Plain http is refused of any host but loopback, unless it is trusted.
    ...(new URL(index).protocol === 'http:' ? { PIP_TRUSTED_HOST: new URL(index).host } : {}),
    PIP_RETRIES: '1',
    UV_NO_CONFIG: '1',
    UV_DEFAULT_INDEX: index,
    UV_CACHE_DIR: join(dir, 'uv-cache'),
    UV_PYTHON_DOWNLOADS: 'never',
    // What lies beside the lock is not here. As a variable, since an older uv would not know the option.
    UV_NO_INSTALL_LOCAL: '1',
    UV_NO_PROGRESS: '1',
    HTTP_PROXY: proxy,
    HTTPS_PROXY: proxy,
    ALL_PROXY: proxy,
    http_proxy: proxy,
    https_proxy: proxy,
    all_proxy: proxy,
    NO_PROXY: '',
    no_proxy: '',
  };
}

async function put(dir: string, name: string, text: string): Promise<void> {
  await mkdir(dirname(join(dir, name)), { recursive: true });
  await writeFile(join(dir, name), text);
}

async function run(
  program: string,
  args: readonly string[],
  { dir, env }: { readonly dir: string; readonly env: Readonly<Record<string, string>> },
): Promise<{ readonly status: number | null; readonly output: string }> {
  const child = spawn(program, args, { cwd: dir, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const take = (text: Buffer): void => {
    output = (output + text.toString('utf8')).slice(-MAX_OUTPUT);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  return await new Promise((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new CommandFailure(`${program} cannot be run: ${cause.message}.`, 1, { cause })),
    );
    child.once('close', (status) => resolve({ status, output }));
  });
}
