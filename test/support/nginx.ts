import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { makeTempDir } from './temp-dir.ts';

/** Why nginx cannot be started here, if it cannot: for `skipOrFail`. */
export function whyNoNginx(): string | undefined {
  return program() === undefined ? 'nginx is not installed (apt-get install nginx)' : undefined;
}

/** nginx on loopback in front of nodes, with connections to them kept alive; it ends with the test. Answers its address, without a slash at the end. */
export async function startNginx(
  t: { after(fn: () => Promise<void>): void },
  options: {
    /** Addresses of the nodes. */
    readonly nodes: readonly string[];
    /** The path under which they are, such as `/cellar/`. */
    readonly prefix?: string;
  },
): Promise<string> {
  const { dir, remove } = await makeTempDir();
  const port = await freePort();
  const prefix = options.prefix ?? '/';
  await mkdir(join(dir, 'temp'));
  await writeFile(join(dir, 'nginx.conf'), configuration(options.nodes, { port, prefix }));
  const child = spawn(program() ?? 'nginx', ['-p', dir, '-c', 'nginx.conf', '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(async () => {
    await ended(child);
    await remove();
  });
  await answering(child, `http://127.0.0.1:${port}/nginx-is-up`);
  return `http://127.0.0.1:${port}${prefix.replace(/\/$/, '')}`;
}

/** As docs/many-nodes.md has it. */
function configuration(nodes: readonly string[], { port, prefix }: { port: number; prefix: string }): string {
  const servers = nodes.map((node) => `    server ${new URL(node).host} max_fails=0;`);
  const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `  ${name}_temp_path temp/${name};`);
  const location = (where: string, retry: string): string =>
    `    location ${where} { proxy_pass http://nodes${prefix === '/' ? '' : '$stripped$is_args$args'}; proxy_next_upstream ${retry}; }`;
  return `daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes 1;
pid nginx.pid;
events { worker_connections 512; }
http {
${temps.join('\n')}
  access_log off;
  upstream nodes {
${servers.join('\n')}
    keepalive 32;
  }
  map $uri $stripped { "~^${prefix}(?<rest>.*)$" "/$rest"; }
  server {
    listen 127.0.0.1:${port};
    client_max_body_size 0;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    location = /nginx-is-up { return 204; }
${location(prefix, 'error timeout http_503')}
${location(`~ ^${prefix}(.*/)?legacy/?$`, 'error timeout http_503 non_idempotent')}
  }
}
`;
}

async function answering(child: ChildProcess, url: string): Promise<void> {
  let complaint = '';
  child.stderr?.on('data', (text: Buffer) => {
    complaint += text.toString();
  });
  for (;;) {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${complaint}`);
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.status === 204) return;
    await new Promise(setImmediate);
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
}

function program(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, 'nginx')).find((path) => existsSync(path));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
