import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from './client.ts';
import { CommandFailure, Refusal } from './failure.ts';
import { bytes, note, plain } from './print.ts';

/** A job as the server shows it. */
export interface JobView {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly by: string;
  readonly createdAt: string;
  readonly finishedAt: string | null;
  readonly counts: Readonly<Record<string, number>>;
  readonly bytes: number;
  readonly error: string | null;
  readonly result: Readonly<Record<string, unknown>> | null;
  readonly revision: number;
}

/** What came of one thing that a job had to do. */
export interface FileView {
  readonly key: string;
  readonly state: string;
  readonly name?: string;
  readonly version?: string;
  readonly filename?: string;
  readonly size?: number;
  readonly why?: string;
  readonly notes?: readonly string[];
}

const FINISHED = ['succeeded', 'failed', 'cancelled'];
/** In a row: a server that restarts goes on with the job. */
const TRIES = 30;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_000;

/**
 * Follows a job to its end: one line that changes on a terminal, elsewhere a line for each thing. Goes on when the line breaks, or the
 * server is away for half a minute. Throws `CommandFailure` when it cannot.
 */
export async function followEvents(
  client: Client,
  id: string,
  options: { readonly isQuiet: boolean },
): Promise<JobView> {
  const line = new JobLine(options.isQuiet);
  let seen = 0;
  let pauseMs = FIRST_PAUSE_MS;
  for (let tries = 0; ; tries += 1) {
    try {
      const headers = { Accept: 'text/event-stream', ...(seen === 0 ? {} : { 'Last-Event-ID': String(seen) }) };
      const response = await client.send(`/admin/jobs/${encodeURIComponent(id)}/events`, { headers });
      for await (const { event, data } of eventsOf(response)) {
        tries = 0;
        pauseMs = LONGEST_PAUSE_MS;
        if (event === 'file') line.file(JSON.parse(data) as FileView);
        if (event !== 'job') continue;
        const job = JSON.parse(data) as JobView;
        seen = job.revision;
        line.job(job);
        if (FINISHED.includes(job.state)) return job;
      }
    } catch (error) {
      if (error instanceof Refusal && error.isFinal) throw error;
      if (tries >= TRIES) throw lost(id, error);
    } finally {
      line.clear();
    }
    if (tries >= TRIES) throw lost(id);
    await pause(pauseMs);
    pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS);
  }
}

function lost(id: string, cause?: unknown): CommandFailure {
  const why =
    cause instanceof CommandFailure ? cause.message : 'The server does not tell any more how the job goes on.';
  const sentence = `${why} The job goes on when the server does: stormcellar jobs follow ${plain(id)}`;
  return new CommandFailure(sentence, 1, { cause });
}

/** Server-sent events out of a response. */
async function* eventsOf(response: Response): AsyncGenerator<{ readonly event: string; readonly data: string }> {
  if (response.body === null) return;
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    rest += decoder.decode(chunk, { stream: true });
    const blocks = rest.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = new Map(block.split('\n').map((line) => splitField(line)));
      const data = fields.get('data');
      if (data !== undefined) yield { event: fields.get('event') ?? 'message', data };
    }
  }
}

function splitField(line: string): [string, string] {
  const colon = line.indexOf(':');
  return colon === -1 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')];
}

/** Tells a person how far a job is. */
class JobLine {
  readonly #isTerminal = process.stderr.isTTY === true;
  readonly #isQuiet: boolean;

  constructor(isQuiet: boolean) {
    this.#isQuiet = isQuiet;
  }

  file(file: FileView): void {
    if (this.#isQuiet || (this.#isTerminal && file.why === undefined && file.notes === undefined)) return;
    this.clear();
    note(fileLine(file));
  }

  job({ counts, state }: JobView): void {
    if (this.#isQuiet || !this.#isTerminal || state !== 'running') return;
    const { entries = 0, entriesDone = 0, files = 0, failed = 0, bytes: size = 0 } = counts;
    const share = entries === 0 ? 0 : Math.min(entriesDone / entries, 1);
    const bar = '#'.repeat(Math.round(share * 20)).padEnd(20, '.');
    const failures = failed === 0 ? '' : `, ${failed} failed`;
    process.stderr.write(`\r\u001b[K[${bar}] ${entriesDone} of ${entries}  ${files} files, ${bytes(size)}${failures}`);
  }

  clear(): void {
    if (this.#isTerminal && !this.#isQuiet) process.stderr.write('\r\u001b[K');
  }
}

/** One outcome as a line. */
export function fileLine({ state, key, name, version, filename, size, why, notes = [] }: FileView): string {
  const what = filename ?? [name ?? key, version].filter((each) => each !== undefined).join(' ');
  const details = [size === undefined ? [] : [bytes(size)], why === undefined ? [] : [why], notes].flat();
  return plain(`${state.padEnd(8)} ${what}${details.length === 0 ? '' : `: ${details.join('; ')}`}`);
}
