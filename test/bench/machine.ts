import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { basename } from 'node:path';
import { clientPath } from '../support/clients.ts';
import { run } from './run.ts';

/** How many processors there are; asked before anything is kept to some of them. */
export const PROCESSORS = availableParallelism();

/** The processor of whatever is measured. */
export const SERVER_CPUS = '0';
/** The processors of the clients and of upstreams. */
export const LOAD_CPUS = PROCESSORS === 1 ? '0' : PROCESSORS === 2 ? '1' : `1-${PROCESSORS - 1}`;

/** Every processor: for what is compared with a program that may use them all. */
export const ALL_CPUS = PROCESSORS === 1 ? '0' : `0-${PROCESSORS - 1}`;

/** Moves this process, and all that it starts, out of the way of what is measured. */
export async function makeWay(cpus: string = LOAD_CPUS): Promise<void> {
  await run('taskset', ['-acp', cpus, String(process.pid)]);
}

/** Which machine and which programs the figures are of, in one line. */
export async function describeMachine(): Promise<string> {
  const memory = `${Math.round(totalmem() / 2 ** 30)} GB`;
  const versions = await Promise.all([
    version('nginx', ['-v']),
    version('wrk', ['-v']),
    version('curl', ['--version']),
    version(clientPath('uv'), ['--version']),
    version(clientPath('pip'), ['--version']),
  ]);
  const machine = `${PROCESSORS} × ${cpus()[0]?.model.trim() ?? 'processor'}, ${memory}, Linux ${release()}`;
  return `${machine}; Node ${process.versions.node}, ${versions.join(', ')}`;
}

/** The names of the programs that are missing. */
export async function missingPrograms(): Promise<string[]> {
  const needed = ['nginx', 'wrk', 'curl', 'taskset', 'sha256sum', clientPath('uv'), clientPath('pip')];
  const found = await Promise.all(needed.map((name) => run('which', [name]).catch(() => undefined)));
  return needed.filter((_, index) => found[index] === undefined);
}

async function version(command: string, args: readonly string[]): Promise<string> {
  const { output } = await run('sh', ['-c', '"$@" 2>&1 || true', 'sh', command, ...args]);
  return `${basename(command)} ${/\d+\.\d+(?:\.\d+)*/.exec(output)?.[0] ?? ''}`;
}

const SAMPLE_MS = 500;
const BUSY = 0.1;

/**
 * Waits until nothing else keeps the processors busy, at most `patienceMs`. Answers whether that came about: figures that are
 * taken beside other work say little.
 */
export async function quiet(patienceMs: number): Promise<boolean> {
  const until = performance.now() + patienceMs;
  do if ((await busyShare()) < BUSY) return true;
  while (performance.now() < until);
  return false;
}

async function busyShare(): Promise<number> {
  const before = await ticks();
  await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
  const after = await ticks();
  return (after.busy - before.busy) / Math.max(1, after.all - before.all);
}

async function ticks(): Promise<{ busy: number; all: number }> {
  const [line = ''] = (await readFile('/proc/stat', 'utf8')).split('\n');
  const fields = line.split(/\s+/).slice(1, 9).map(Number);
  const all = fields.reduce((sum, value) => sum + value, 0);
  return { all, busy: all - (fields[3] ?? 0) - (fields[4] ?? 0) };
}
