import { systemClock } from './clock.ts';
import type { App } from './compose.ts';
import { ConfigError } from './config/complaints.ts';
import { loadConfig } from './config/load.ts';
import { resolveAuto } from './config/resolve-auto.ts';
import type { Config } from './config/schema.ts';
import { createLogger } from './log.ts';

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

// npm passes on a signal that the terminal has sent to us as well: what follows so closely is the same one.
const SAME_SIGNAL_MS = 500;

export interface ServeOptions {
  /** The configuration file, when one is named. */
  readonly file: string | undefined;
  /** Of this program. */
  readonly version: string;
}

/** Serves until a signal; answers the exit code: 0 stopped, 1 failed (with one sentence on standard error), 2 wrong configuration. */
export async function serve({ file, version }: ServeOptions): Promise<number> {
  const asked = stopSignal();
  // Waiting for a database that is not there yet, or for load balancers, keeps no process alive.
  const alive = setInterval(() => {}, 60_000);
  try {
    const config = await loadConfig(file === undefined ? {} : { file });
    const app = await Promise.race([composed(config, version), asked]);
    // Told to stop while it waits for its database, it has nothing under way that could be lost.
    if (app === undefined) return 0;
    // What loading the program has left would stay until V8 needs the room: a tenth of all that an idle server takes.
    globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    const { url, firstToken } = await app.start();
    greet(greeting(config, url, firstToken));
    await asked;
    await app.stop();
    return 0;
  } catch (error) {
    process.stderr.write(`${complaint(error)}\n`);
    return error instanceof ConfigError ? 2 : 1;
  } finally {
    clearInterval(alive);
  }
}

/** Where the disk of our output is full, who starts us has no greeting, and builds have their index: the log waits for room. */
function greet(text: string): void {
  process.stdout.on('error', () => {});
  process.stdout.write(text);
}

/** The whole server, which does not listen yet. */
async function composed(config: Config, version: string): Promise<App> {
  const log = createLogger(config.log);
  // pip is asked while the program is loaded: each takes a good part of a second.
  const [resolved, { compose }] = await Promise.all([resolveAuto(config, process.env), import('./compose.ts')]);
  for (const warning of resolved.warnings) log.warn(warning);
  const { PATH: path } = process.env;
  return compose(resolved.config, {
    log,
    version,
    path,
    warnings: resolved.warnings,
    environment: process.env,
  });
}

/** Tells everything that is wrong with a configuration; answers the exit code: 0 nothing, 2 something. */
export async function checkConfig(file?: string): Promise<number> {
  try {
    await loadConfig(file === undefined ? {} : { file });
    process.stdout.write('The configuration is in order.\n');
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${complaint(error)}\n`);
    return 2;
  }
}

/** Resolves at the first signal to stop; a second one ends the process at once. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let first: number | undefined;
    const onSignal = (): void => {
      const now = systemClock.nowMs();
      first ??= now;
      resolve();
      if (now - first > SAME_SIGNAL_MS) process.exit(1);
    };
    for (const signal of SIGNALS) process.on(signal, onSignal);
  });
}

function greeting(config: Config, listening: string, firstToken: string | undefined): string {
  const base = config.publicUrl ?? listening.replace(/\/+$/, '');
  const index = `${base}/simple/`;
  const lines = [`Stormcellar serves ${index}`, '', `  pip install --index-url ${index}${trustedHost(base)} NAME`, ''];
  if (firstToken !== undefined) {
    lines.push(`Admin token, shown this once and kept in ${config.dataDir}/admin-token:`, '', `  ${firstToken}`, '');
  }
  return `${lines.join('\n')}\n`;
}

/** pip refuses plain http of any host but loopback, unless it is told to trust it. */
function trustedHost(base: string): string {
  const { protocol, hostname } = new URL(base);
  const isTrusted = protocol === 'https:' || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
  return isTrusted ? '' : ` --trusted-host ${hostname}`;
}

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Something else listens there already',
  EADDRNOTAVAIL: 'This machine has no such address',
  EACCES: 'That is not allowed here',
};

/** Why it did not start, in a sentence. */
function complaint(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  if (!(error instanceof Error)) return `Stormcellar cannot serve: ${String(error)}`;
  const known = 'code' in error ? SYSTEM_ERRORS[String(error.code)] : undefined;
  const [sentence = error.name] = error.message.split('\n');
  return `Stormcellar cannot serve: ${known === undefined ? sentence : `${known} (${sentence}).`}`;
}
