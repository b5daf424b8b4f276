import type { Client } from './client.ts';
import { CommandFailure } from './failure.ts';
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
const TRIES = 5;
const PAUSE_MS = 1000;

/**
 * Follows a job to its end: one line that changes on a terminal, elsewhere a line for each thing. Goes on when the line breaks. Throws
 * `CommandFailure` when it cannot.
 */
export async function followEvents(
  client: Client,
  id: string,
  options: { readonly isQuiet: boolean },
): Promise<JobView> {
  const line = new JobLine(options.isQuiet);
  let seen = 0;
  for (let tries = 0; ; tries += 1) {
    try {
      const headers = { Accept: 'text/event-stream', ...(seen === 0 ? {} : { 'Last-Event-ID': String(seen) }) };
      const response = await client.send(`/admin/jobs/${encodeURIComponent(id)}/events`, { headers });
      for await (const { event, data } of eventsOf(response)) {
        tries = 0;
        if (event === 'file') line.file(JSON.parse(data) as FileView);
        if (event !== 'job') continue;
        const job = JSON.parse(data) as JobView;
        seen = job.revision;
        line.job(job);
        if (FINISHED.includes(job.state)) return job;
      }
    } catch (error) {
      if (tries >= TRIES) throw error;
    } finally {
      line.clear();
    }
    if (tries >= TRIES) throw new CommandFailure(`The server does not tell any more how job ${id} goes on.`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
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
