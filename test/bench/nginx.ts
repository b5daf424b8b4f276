import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../support/free-port.ts';
import { Program } from './program.ts';

/** nginx that serves the files below `root`, and below `/simple/` pages in the format that is asked for. */
export interface Nginx {
  readonly url: string;
  readonly program: Program;
  /** How often a path that ends so has been asked for; of one that keeps a log. */
  asked(end: string): Promise<number>;
}

export interface NginxOptions {
  readonly root: string;
  /** For its own files. */
  readonly dir: string;
  readonly cpus: string;
  /** Keep a log, for `asked`. */
  readonly log?: true;
  /** Megabytes a second that a client gets at most. */
  readonly rate?: number;
}

/** Starts an nginx of one process. */
export async function startNginx({ root, dir, cpus, log, rate }: NginxOptions): Promise<Nginx> {
  await mkdir(dir, { recursive: true });
  const port = await freePort();
  const accessLog = log === undefined ? undefined : join(dir, 'access.log');
  await writeFile(join(dir, 'nginx.conf'), configuration({ root, dir, port, accessLog, rate }));
  const program = new Program('nginx', ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', 'stderr'], { cpus });
  const url = `http://127.0.0.1:${port}`;
  await program.ready(url);
  return {
    url,
    program,
    asked: async (end) => {
      const paths = (await readFile(accessLog ?? '', 'utf8')).split('\n');
      return paths.filter((path) => path.endsWith(end)).length;
    },
  };
}

interface Settings {
  readonly root: string;
  readonly dir: string;
  readonly port: number;
  readonly accessLog: string | undefined;
  readonly rate: number | undefined;
}

// What somebody who wants static files served fast would write: sendfile, connections kept, compressed neighbours, no log.
function configuration({ root, dir, port, accessLog, rate }: Settings): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes 1;
daemon off;
master_process off;
pid ${dir}/nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  ${temporary.map((name) => `${name}_temp_path ${dir}/${name};`).join(' ')}
  log_format path '$uri';
  access_log ${accessLog === undefined ? 'off' : `${accessLog} path`};
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  gzip_static on;
  types { text/html html; application/vnd.pypi.simple.v1+json json; }
  default_type application/octet-stream;
  map $http_accept $page { default index.html; ~vnd.pypi.simple.v1.json index.json; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    root ${root};
    limit_rate ${rate === undefined ? 0 : `${rate}m`};
    location ~ ^/simple/[^/]+/$ { try_files $uri$page =404; }
  }
}
`;
}
