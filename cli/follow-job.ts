import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from './client.ts';
import { CommandFailure } from './failure.ts';
import { note, plain, print, printJson } from './print.ts';

/** A job as `/admin/jobs/ID` shows it. */
export interface JobView {
  readonly id: string;
  readonly state: 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';
  readonly counts: Readonly<Record<string, number>>;
  readonly error: string | null;
  readonly result: Readonly<Record<string, unknown>> | null;
  /** What came of each thing, as far as it was asked for. */
  readonly files: readonly (Readonly<Record<string, unknown>> & { readonly key: string; readonly state: string })[];
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_000;
/** A server that restarts goes on with the job. */
const FAILURES_IN_A_ROW = 30;

/**
 * Waits for the end of a job, showing `line` of it: anew on a terminal, else not at all. Throws `CommandFailure` when the job failed or
 * was cancelled, or the server stays away.
 */
export async function followJob(client: Client, id: string, line: (job: JobView) => string): Promise<JobView> {
  const path = `/admin/jobs/${encodeURIComponent(id)}`;
  const isTerminal = process.stderr.isTTY === true;
  let failures = 0;
  try {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 1.5)) {
      const job = await client.json<JobView>(path, { query: { limit: '1' } }).catch((error: unknown) => {
        failures += 1;
        if (!(error instanceof CommandFailure) || failures > FAILURES_IN_A_ROW) throw error;
        return undefined;
      });
      if (job !== undefined) {
        failures = 0;
        if (isTerminal) process.stderr.write(`\r\u001b[K${plain(line(job))}`);
        if (job.state === 'succeeded') return await client.json<JobView>(path, { query: { limit: '1000' } });
        if (job.state === 'failed' || job.state === 'cancelled') {
          throw new CommandFailure(
            plain(`The job ${id} has ${job.state}${job.error === null ? '' : `: ${job.error}`}.`),
          );
        }
      }
      await pause(pauseMs);
    }
  } finally {
    if (isTerminal) process.stderr.write('\r\u001b[K');
  }
}

/** Begins a job by POST; says where it can be looked at when no terminal shows how far it is. */
export async function beginJob(client: Client, path: string): Promise<string> {
  const id = await begun(client, path);
  if (process.stderr.isTTY !== true) note(`job ${plain(id)}`);
  return id;
}

/** Begins a job by POST, and leaves it at that: prints its id. */
export async function detachJob(client: Client, path: string, { json }: { readonly json?: true }): Promise<void> {
  const id = await begun(client, path);
  if (json) printJson({ id });
  else print(plain(id));
}

async function begun(client: Client, path: string): Promise<string> {
  return (await client.json<{ readonly id: string }>(path, { method: 'POST' })).id;
}
