import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.ts';

/** An engine of a test run, or why there is none: `describe('…', { skip: engine.skip ?? false }, …)`. */
export type Started<E> = (E & { readonly skip?: undefined; stop(): Promise<void> }) | { readonly skip: string };

export interface PostgresEngine {
  /** Connection string of the superuser's database `app`. A test file makes its own databases from it. */
  readonly url: string;
}

export interface S3Engine {
  readonly engine: 'versitygw' | 's3proxy';
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  readonly forcePathStyle: boolean;
  /** Of the server itself, for tests that pause or kill it. */
  readonly pid: number;
}

/**
 * A fresh PostgreSQL cluster of this test process, reached over a unix socket; gone when the process is. `18`: the one that `.ci/run`
 * fetches; else the system's.
 */
export async function startPostgres(version?: 18): Promise<Started<PostgresEngine>> {
  const bin = version === undefined ? undefined : find('initdb', 'postgres18/native/bin');
  if (version !== undefined && bin === undefined)
    return absent('PostgreSQL 18 is not installed (test/engines/README.md)');
  const started = await run('pg-start.sh', [], bin === undefined ? {} : { PGBIN: bin });
  if ('skip' in started) return absent(`PostgreSQL: ${started.skip}`);
  return { url: started.line, stop: started.stop };
}

/** A fresh S3 server on a free loopback port, without a bucket; gone when the process is. */
export async function startS3(engine: S3Engine['engine']): Promise<Started<S3Engine>> {
  const folder = engine === 'versitygw' ? find('versitygw', '') : find('lib', 's3proxy');
  if (!folder) return absent(`${engine} is not installed (test/engines/README.md)`);
  const started = await run('s3-start.sh', [engine, String(await freePort()), folder]);
  if ('skip' in started) return absent(`${engine}: ${started.skip}`);
  return { ...(JSON.parse(started.line) as S3Engine), stop: started.stop };
}

function absent(reason: string): { readonly skip: string } {
  if (process.env.CI === 'true') throw new Error(`${reason}; with CI=true this is a failure`);
  return { skip: reason };
}

/** The folder that holds `name`: `$STORMCELLAR_ENGINES` first, then the cache that `.ci/run` fills. */
function find(name: string, below: string): string | undefined {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'stormcellar-ci');
  const roots = [process.env.STORMCELLAR_ENGINES ?? cache, cache];
  const folders = roots.flatMap((root) => [join(root, below), join(root, 'bin', below)]);
  return folders.find((folder) => existsSync(join(folder, name)));
}

type Run = { readonly line: string; stop(): Promise<void> } | { readonly skip: string };

/** Starts a script that prints one line when its engine answers, and ends the engine when its standard input closes. */
async function run(script: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Run> {
  const path = fileURLToPath(new URL(`../engines/${script}`, import.meta.url));
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn('bash', [path, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => {
    complaint = (complaint + text.toString()).slice(-4000);
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const first = new Promise<string>((resolve) => createInterface(child.stdout).once('line', resolve));
  const line = await Promise.race([first, exited]);
  if (typeof line === 'string') {
    const stop = async (): Promise<void> => {
      child.stdin.end();
      await exited;
    };
    return { line, stop };
  }
  // 3 is how the scripts say that the engine itself is missing.
  if (line === 3) return { skip: complaint.trim() };
  throw new Error(`${script} ended with ${line}: ${complaint}`);
}
