import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { DEPLOY } from './deploy-files.ts';
import { freePort } from './free-port.ts';
import { makeTempDir } from './temp-dir.ts';

/** nginx on this machine, or `undefined`. */
export function nginxProgram(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, 'nginx')).find((path) => existsSync(path));
}

/** Why nginx cannot be started here, if it cannot: for `skipOrFail`. */
export function whyNoNginx(): string | undefined {
  return nginxProgram() === undefined ? 'nginx is not installed (apt-get install nginx)' : undefined;
}

interface NginxOptions {
  /** Addresses of two nodes. */
  readonly nodes: readonly string[];
  /** The path under which they are, without a slash at the end, such as `/cellar`; none unless told. */
  readonly prefix?: string;
}

/**
 * nginx with `deployedConfiguration`, in front of nodes that live; it ends with the test. Answers the address under which they are, without
 * a slash at the end.
 */
export async function startNginx(t: { after(fn: () => Promise<void>): void }, options: NginxOptions): Promise<string> {
  const { dir, url, remove } = await write(options);
  const child = spawn(nginxProgram() ?? 'nginx', ['-p', dir, '-c', 'nginx.conf', '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => {
    complaint += text.toString();
  });
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      await exit;
    }
    await remove();
  });
  while ((await fetch(`${url}/livez`).catch(() => undefined))?.status !== 200) {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${complaint}`);
    await new Promise(setImmediate);
  }
  return url;
}

/**
 * The folder of a `nginx.conf` that is `deploy/nginx.conf`, with addresses and paths of this machine put in, a prefix as its comments tell,
 * and nothing else changed.
 */
export async function deployedConfiguration(
  t: { after(fn: () => Promise<void>): void },
  options: NginxOptions,
): Promise<string> {
  const { dir, remove } = await write(options);
  t.after(remove);
  return dir;
}

async function write({ nodes, prefix = '' }: NginxOptions) {
  const { dir, remove } = await makeTempDir();
  const port = await freePort();
  await mkdir(join(dir, 'temp'));
  const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path temp/${name};`);
  const uploads = 'location ~ ^/(?:.*/)?legacy/?$ {';
  const replace: readonly (readonly [string, string])[] = [
    ['pid /tmp/nginx.pid;', `pid nginx.pid; daemon off;${process.getuid?.() === 0 ? ' user root;' : ''}`],
    ['worker_processes auto;', 'worker_processes 1;'],
    ['access_log /dev/stdout timed;', `access_log off; ${temps.join(' ')}`],
    ['listen 8080;', `listen 127.0.0.1:${port};`],
    ...nodes.map((node, index) => [`server node-${index + 1}:8085 `, `server ${new URL(node).host} `] as const),
    ...(prefix === ''
      ? []
      : ([
          ['location / {\n      proxy_pass http://nodes;', `location ${prefix}/ {\n      proxy_pass http://nodes/;`],
          [uploads, `${uploads} rewrite ^${prefix}(/.*)$ $1 break;`],
        ] as const)),
  ];
  let text = await readFile(`${DEPLOY}nginx.conf`, 'utf8');
  for (const [from, to] of replace) {
    if (text.split(from).length !== 2) throw new Error(`deploy/nginx.conf has not once: ${from}`);
    text = text.replace(from, () => to);
  }
  await writeFile(join(dir, 'nginx.conf'), text);
  return { dir, remove, url: `http://127.0.0.1:${port}${prefix}` };
}
