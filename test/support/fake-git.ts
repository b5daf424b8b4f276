import { execFile, spawn } from 'node:child_process';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { skipOrFail } from './skip.ts';
import { tempDir } from './temp-dir.ts';

const run = promisify(execFile);

/** A git host on loopback: the real `git http-backend` behind a small HTTP server. */
export interface FakeGit {
  /** `127.0.0.1:PORT`, as it stands in `fetch.allowHosts`. */
  readonly host: string;
  /** Address of a repository. */
  url(name: string): string;
  /**
   * Adds a commit to a repository, made when it is not there; answers its id. A path that ends in `*` becomes executable, one that ends in
   * `@` a symbolic link.
   */
  commit(name: string, files: Readonly<Record<string, string>>, options?: { readonly tag?: string }): Promise<string>;
  /** Runs git in a repository. */
  git(name: string, ...args: readonly string[]): Promise<string>;
  /** Paths that were asked for. */
  readonly seen: readonly string[];
  /** Answers instead of git: `undefined` lets git answer. */
  intercept(handler: (request: IncomingMessage, response: ServerResponse) => boolean): void;
  /** Closes the port. */
  refuse(): Promise<void>;
}

/** Starts a git host that ends with the test. */
export async function fakeGit(t: { after(fn: () => Promise<void>): void }): Promise<FakeGit> {
  const root = await tempDir(t);
  const seen: string[] = [];
  let intercept: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  const server = createServer((request, response) => {
    seen.push(request.url ?? '');
    if (!intercept(request, response)) backend(root, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const refuse = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  t.after(refuse);
  const git = async (name: string, ...args: readonly string[]): Promise<string> => {
    const { stdout } = await run('git', ['-C', join(root, name), ...args], { env: ENV });
    return stdout.trim();
  };
  return {
    host: `127.0.0.1:${port}`,
    url: (name) => `http://127.0.0.1:${port}/${name}`,
    git,
    seen,
    intercept: (handler) => {
      intercept = handler;
    },
    refuse,
    commit: async (name, files, { tag } = {}) => {
      const dir = join(root, name);
      await mkdir(dir, { recursive: true });
      await run('git', ['init', '--quiet', '-b', 'main', dir], { env: ENV });
      for (const [path, content] of Object.entries(files)) await put(dir, path, content);
      await git(name, 'add', '-A');
      await git(name, 'commit', '--quiet', '--allow-empty', '-m', 'a commit');
      if (tag !== undefined) await git(name, 'tag', '-a', tag, '-m', tag);
      return await git(name, 'rev-parse', 'HEAD');
    },
  };
}

/** What to give a test as its `skip` where git or its server is not installed. */
export async function skipWithoutGit(): Promise<string | false> {
  const found = await run('git', ['--exec-path'], { env: ENV }).then(
    async ({ stdout }) =>
      await run(join(stdout.trim(), 'git-http-backend'), [], { env: ENV }).then(
        () => true,
        (error: { code?: unknown }) => error.code !== 'ENOENT',
      ),
    () => false,
  );
  return skipOrFail(found ? undefined : 'git with git http-backend is not installed');
}

const ENV = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@git.example',
  GIT_COMMITTER_NAME: 'A',
  GIT_COMMITTER_EMAIL: 'a@git.example',
  GIT_AUTHOR_DATE: '2026-01-02T03:04:05Z',
  GIT_COMMITTER_DATE: '2026-01-02T03:04:05Z',
};

async function put(dir: string, path: string, content: string): Promise<void> {
  const file = join(dir, path.replace(/[*@]$/, ''));
  await mkdir(dirname(file), { recursive: true });
  if (path.endsWith('@')) return await symlink(content, file);
  await writeFile(file, content);
  if (path.endsWith('*')) await chmod(file, 0o755);
}

/** CGI (RFC 3875), as far as git needs it. */
function backend(root: string, request: IncomingMessage, response: ServerResponse): void {
  const [path = '', query = ''] = (request.url ?? '').split('?');
  const child = spawn('git', ['-c', 'safe.directory=*', 'http-backend'], {
    env: {
      ...ENV,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      REQUEST_METHOD: request.method ?? 'GET',
      PATH_INFO: path.replace(/^(\/[^/]+)/, '$1/.git'),
      QUERY_STRING: query,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: String(request.headers['content-encoding'] ?? ''),
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  request.pipe(child.stdin);
  child.stdin.on('error', () => {});
  const pieces: Buffer[] = [];
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece));
  child.once('close', () => {
    const all = Buffer.concat(pieces);
    const end = all.indexOf('\r\n\r\n');
    const headers = all
      .subarray(0, end)
      .toString('latin1')
      .split('\r\n')
      .map((line) => line.split(/:\s*/, 2) as [string, string]);
    const status = headers.find(([name]) => name === 'Status')?.[1];
    response.writeHead(status === undefined ? 200 : Number.parseInt(status, 10), Object.fromEntries(headers));
    response.end(all.subarray(end + 4));
  });
}
