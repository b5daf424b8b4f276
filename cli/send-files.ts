import { openAsBlob } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Client } from './client.ts';
import { CommandFailure } from './failure.ts';
import { sha256Of } from './hash-file.ts';
import type { Arrival } from './import-folder.ts';
import type { FileView } from './job-events.ts';
import { jobWithFiles } from './job-files.ts';
import { Progress } from './progress.ts';

interface Listed extends Arrival {
  readonly sha256: string;
  readonly size: number;
}

/** What was sent, or could not be. */
export interface Sent {
  /** The job that keeps the tally. */
  readonly id: string;
  /** Files that are not on its list: they cannot be read, or are not what they should be. */
  readonly left: readonly FileView[];
  /** The job awaits something that could not be sent, and this is why. */
  readonly broken: string | undefined;
}

const AT_ONCE = 4;
const ROUNDS = 5;
const PAUSE_MS = 1000;

/**
 * Sends local files, with a job of the server that knows the whole list: only what it lacks is sent, in this call or in one that follows it when
 * it breaks off. Throws `CommandFailure`. `into`: the index, the default one when absent.
 */
export async function sendFiles(
  client: Client,
  arrivals: readonly Arrival[],
  options: { readonly into: string | undefined; readonly isQuiet: boolean; readonly onJob: (id: string) => void },
): Promise<Sent> {
  const left: FileView[] = [];
  const listed = await list(arrivals, left);
  if (listed.size === 0) throw new CommandFailure(left.length === 0 ? 'There is no package here.' : whyOf(left));
  const files = [...listed.values()].map(({ path: _, ...file }) => file);
  const index = options.into === undefined ? {} : { index: options.into };
  const { id } = await client.json<{ id: string }>('/admin/import', { method: 'POST', json: { files, ...index } });
  options.onJob(id);
  let broken: string | undefined;
  for (let round = 0; round < ROUNDS; round += 1) {
    const failures: string[] = [];
    try {
      const { job, files: waiting } = await jobWithFiles(client, id, 'waiting');
      if (waiting.length === 0 || job.state !== 'queued') return { id, left, broken: undefined };
      failures.push(...(await send(client, id, { waiting, listed, isQuiet: options.isQuiet })));
    } catch (error) {
      failures.push(sentenceOf(error));
    }
    // Of those that are no packages the job knows; what is left may have been the line.
    broken = failures[0];
    if (failures.length > 0) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return { id, left, broken };
}

/** Sends what is awaited; answers why some of it could not be. */
async function send(
  client: Client,
  id: string,
  {
    waiting,
    listed,
    isQuiet,
  }: { readonly waiting: readonly FileView[]; readonly listed: ReadonlyMap<string, Listed>; readonly isQuiet: boolean },
): Promise<readonly string[]> {
  const failures: string[] = [];
  const total = waiting.reduce((sum, { size = 0 }) => sum + size, 0);
  const progress = isQuiet ? undefined : new Progress(`send ${waiting.length} files`, total);
  const queue = [...waiting];
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const file = listed.get(next.key);
      if (file === undefined) continue;
      try {
        await client.json(`/admin/import/${encodeURIComponent(id)}/files/${encodeURIComponent(file.filename)}`, {
          method: 'PUT',
          body: await openAsBlob(file.path),
        });
      } catch (error) {
        failures.push(`${file.filename}: ${sentenceOf(error)}`);
      }
      progress?.add(file.size);
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  } finally {
    progress?.end();
  }
  return failures;
}

/** What can be sent, by its name. */
async function list(arrivals: readonly Arrival[], left: FileView[]): Promise<ReadonlyMap<string, Listed>> {
  const listed = new Map<string, Listed>();
  for (const arrival of arrivals) {
    const { filename, path, sha256: promised } = arrival;
    const leave = (why: string): void => {
      left.push({ key: filename, filename, state: 'failed', why });
    };
    try {
      const sha256 = await sha256Of(path);
      const { size } = await stat(path);
      const other = listed.get(filename);
      if (promised !== undefined && promised !== sha256)
        leave(`it has the sha256 ${sha256}, and ${promised} was promised`);
      else if (other !== undefined && other.sha256 !== sha256) leave(`${other.path} has the same name and other bytes`);
      else if (other === undefined) listed.set(filename, { ...arrival, sha256, size });
    } catch (error) {
      leave(`it cannot be read: ${sentenceOf(error)}`);
    }
  }
  return listed;
}

function whyOf([first]: readonly FileView[]): string {
  return `Nothing can be sent: ${first?.filename}: ${first?.why}`;
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
