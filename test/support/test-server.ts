import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.ts';
import { makeTempDir } from './temp-dir.ts';
import { ADMIN_TOKEN, type TestConfigOptions, testSettings } from './test-config.ts';

type Child = ChildProcessByStdio<null, Readable, Readable>;

export interface TestServerOptions extends TestConfigOptions {
  /** More of its environment, which is otherwise `PATH` and an admin token. */
  readonly env?: Readonly<Record<string, string>>;
  /** A folder to go on with. */
  readonly dataDir?: string;
}

/** The program itself, `stormcellar serve`, as a process of its own on loopback. */
export interface TestServer {
  /** Without a slash at the end; the same after a restart. */
  readonly url: string;
  readonly dataDir: string;
  readonly configFile: string;
  /** An admin token. */
  readonly token: string;
  /** Of the process that runs now. */
  readonly pid: number;
  /** What all its processes have written. */
  readonly output: string;
  /** The requests that its log tells of. Stop the server first: it logs in batches. */
  readonly requests: readonly Record<string, unknown>[];
  /** A request to a path of this server; redirects are not followed. */
  get(path: string, init?: RequestInit): Promise<Response>;
  /** Sends a signal, SIGTERM unless told, and waits for the end. Answers the exit code; `null` when the signal ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** Starts it again on the same folder and port. */
  start(): Promise<void>;
  /** Resident memory now and at its highest, bytes. */
  memory(): Promise<{ readonly now: number; readonly peak: number }>;
}

const PROGRAM = fileURLToPath(new URL('../../bin/stormcellar.mjs', import.meta.url));
const READY = /^Stormcellar serves (\S+?)\/simple\/$/m;

/** Starts the program on a folder of its own, on any port; it ends with the test. */
export async function testServer(
  t: { after(fn: () => Promise<void>): void },
  options: TestServerOptions = {},
): Promise<TestServer> {
  const { dir, remove } = await makeTempDir();
  const server = new Server(dir, options, await freePort());
  t.after(async () => {
    await server.stop('SIGKILL');
    await remove();
  });
  await server.start();
  return server;
}

class Server implements TestServer {
  readonly dataDir: string;
  readonly configFile: string;
  readonly token = ADMIN_TOKEN;
  url = '';
  output = '';
  readonly #settings: Record<string, unknown>;
  readonly #env: Readonly<Record<string, string>>;
  #child: Child | undefined;
  #ended: Promise<number | null> = Promise.resolve(null);

  constructor(dir: string, { env = {}, dataDir, ...options }: TestServerOptions, port: number) {
    this.dataDir = dataDir ?? join(dir, 'data');
    this.configFile = join(dir, 'stormcellar.json');
    this.#settings = { ...testSettings(this.dataDir, options), listen: { host: '127.0.0.1', port } };
    this.#env = env;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('the server does not run');
    return pid;
  }

  get requests(): readonly Record<string, unknown>[] {
    return this.output
      .split('\n')
      .filter((line) => line.includes('"msg":"request"'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  get(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(this.url + path, { redirect: 'manual', ...init });
  }

  async start(): Promise<void> {
    await writeFile(this.configFile, JSON.stringify(this.#settings));
    const { PATH = '', NODE_OPTIONS = '' } = process.env;
    const own = { PATH, NODE_OPTIONS, STORMCELLAR_TEST_SOURCES: '1', STORMCELLAR_ADMIN_TOKEN: this.token };
    const child = spawn(process.execPath, [PROGRAM, 'serve', '--config', this.configFile], {
      env: { ...own, ...this.#env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once('close', resolve);
    });
    this.url = await this.#ready(child);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#child?.kill(signal);
    return this.#ended;
  }

  async memory(): Promise<{ now: number; peak: number }> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8');
    const bytes = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
    return { now: bytes('VmRSS'), peak: bytes('VmHWM') };
  }

  #ready(child: Child): Promise<string> {
    const from = this.output.length;
    return new Promise((resolve, reject) => {
      let isReady = false;
      const onOutput = (text: string): void => {
        this.output += text;
        if (isReady) return;
        const url = READY.exec(this.output.slice(from))?.[1];
        if (url === undefined) return;
        isReady = true;
        resolve(url);
      };
      for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', onOutput);
      child.once('error', reject);
      child.once('close', () => reject(new Error(`the server did not start:\n${this.output.slice(from)}`)));
    });
  }
}
