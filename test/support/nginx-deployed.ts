import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { DEPLOY } from './deploy-files.ts';
import { makeTempDir } from './temp-dir.ts';

/** nginx on this machine, or `undefined`. */
export function nginxProgram(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, 'nginx')).find((path) => existsSync(path));
}

/**
 * `deploy/nginx.conf` in a folder of its own, with addresses and paths of this machine put in and nothing else changed; nginx on it, when
 * `start`. It ends with the test.
 */
export async function deployedNginx(
  t: { after(fn: () => Promise<void>): void },
  { nodes, start }: { readonly nodes: readonly string[]; readonly start: boolean },
): Promise<{ readonly dir: string; readonly url: string }> {
  const { dir, remove } = await makeTempDir();
  const port = await freePort();
  await mkdir(join(dir, 'temp'));
  const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path temp/${name};`);
  const replace: readonly (readonly [string, string])[] = [
    ['pid /tmp/nginx.pid;', `pid nginx.pid; daemon off;${process.getuid?.() === 0 ? ' user root;' : ''}`],
    ['worker_processes auto;', 'worker_processes 1;'],
    ['access_log /dev/stdout timed;', `access_log off; ${temps.join(' ')}`],
    ['listen 8080;', `listen 127.0.0.1:${port};`],
    ...nodes.map((node, index) => [`server node-${index + 1}:8085 `, `server ${new URL(node).host} `] as const),
  ];
  let text = await readFile(`${DEPLOY}nginx.conf`, 'utf8');
  for (const [from, to] of replace) {
    if (text.split(from).length !== 2) throw new Error(`deploy/nginx.conf has not once: ${from}`);
    text = text.replace(from, to);
  }
  await writeFile(join(dir, 'nginx.conf'), text);
  const url = `http://127.0.0.1:${port}`;
  if (!start) {
    t.after(remove);
    return { dir, url };
  }
  const child = spawn(nginxProgram() ?? 'nginx', ['-p', dir, '-c', 'nginx.conf', '-e', 'stderr'], { stdio: 'ignore' });
  t.after(async () => {
    if (child.exitCode === null) {
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      await exit;
    }
    await remove();
  });
  while ((await fetch(`${url}/livez`).catch(() => undefined))?.status !== 200) {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`);
    await new Promise(setImmediate);
  }
  return { dir, url };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
