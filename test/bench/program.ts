import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';

export interface ProgramOptions {
  /** The processors it may use, as `taskset` takes them. */
  readonly cpus: string;
  readonly env?: Readonly<Record<string, string>>;
}

const TICKS_PER_SECOND = 100;

/** A program that runs beside the benchmark, kept to some of the processors. Whoever starts it stops it. */
export class Program {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #output = '';

  constructor(command: string, args: readonly string[], { cpus, env = {} }: ProgramOptions) {
    const { PATH = '', HOME = '' } = process.env;
    this.#child = spawn('taskset', ['-c', cpus, command, ...args], {
      env: { PATH, HOME, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once('close', () => resolve());
      this.#child.once('error', reject);
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream?.setEncoding('utf8').on('data', this.#heard);
    this.pid = this.#child.pid ?? 0;
  }

  readonly #heard = (text: string): void => {
    this.#output = (this.#output + text).slice(-4000);
  };

  /** Resolves once `url` answers, whatever it answers; milliseconds that took. Throws when the program ends before. */
  async ready(url: string): Promise<number> {
    const begun = performance.now();
    while (this.#child.exitCode === null) {
      const answer = await fetch(url).catch(() => undefined);
      await answer?.arrayBuffer();
      if (answer !== undefined) return performance.now() - begun;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`${this.#child.spawnargs.join(' ')} ended:\n${this.#output}`);
  }

  /** Megabytes of resident memory, now and at most since the start or `forgetPeak`. */
  async memory(): Promise<{ readonly now: number; readonly peak: number }> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8');
    const megabytes = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024;
    return { now: megabytes('VmRSS'), peak: megabytes('VmHWM') };
  }

  /** From now on `memory().peak` tells of what follows. */
  forgetPeak(): Promise<void> {
    return writeFile(`/proc/${this.pid}/clear_refs`, '5');
  }

  /** Seconds of processor time used so far. */
  async cpuSeconds(): Promise<number> {
    const fields = (await readFile(`/proc/${this.pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }

  /** Holds the program where it is: connections are still accepted for it, and nothing is ever answered. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  /** Ends it, the paused one too, and waits for the end. */
  async stop(): Promise<void> {
    this.#child.kill('SIGCONT');
    this.#child.kill('SIGTERM');
    await this.#ended;
  }
}
