import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { Client, type ServerOptions, withServer } from './client.ts';
import { CommandFailure } from './failure.ts';
import { followEvents, type JobView } from './job-events.ts';
import { jobWithFiles } from './job-files.ts';
import { type LockBody, type LockFileOptions, lockBody, withLock } from './lock-file.ts';
import { bytes, note, plain, print, printJson } from './print.ts';

interface MirrorOptions extends ServerOptions, LockFileOptions {
  readonly output?: string;
  readonly canonical?: true;
  readonly keep?: string;
  readonly watch?: string;
  readonly every: string;
  readonly json?: true;
}

interface LockAnswer {
  readonly content: string;
  readonly parts: Readonly<Record<string, string>>;
}

/** `stormcellar mirror`: has the server store everything that a lock needs, and writes the lock that installs from there. */
export function mirrorCommand(): Command {
  return withLock(withServer(new Command('mirror')))
    .description('Make a lock outage-proof: store everything that it needs. Exit code 1 when something cannot be had.')
    .option('-o, --output <file>', 'write the lock, changed so that it installs from the server alone')
    .option('--canonical', 'with -o: the addresses are those where everything came from, not the server’s')
    .option('--keep <name>', 'keep the lock under this name: its files stay, and it is checked every day')
    .option('--watch <url>', 'with --keep: fetch it from there again and again, and mirror it when it has changed')
    .option('--every <time>', 'with --watch: how often (15m, 12h, 7d)', '1d')
    .option('--json', 'print the job as JSON')
    .action(mirror);
}

async function mirror(options: MirrorOptions): Promise<void> {
  const { output, canonical, keep, watch, every, json } = options;
  if (canonical && output === undefined) throw new CommandFailure('--canonical goes with --output.', 2);
  if (watch !== undefined && keep === undefined) throw new CommandFailure('--watch goes with --keep.', 2);
  const client = new Client(options);
  const body = await lockBody(options);
  const watched = watch === undefined ? {} : { watch: { url: watch, every } };
  const call = { ...body, ...(keep === undefined ? {} : { keep }), ...watched };
  const { id } = await client.json<{ id: string }>('/admin/mirror', { method: 'POST', json: call });
  if (!json) note(`job ${id}`);
  const job = await followEvents(client, id, { isQuiet: json === true });
  if (json) {
    const { job: done, files } = await jobWithFiles(client, id);
    printJson({ ...done, files, next: undefined });
  } else if (job.state === 'succeeded') {
    for (const { place, detail } of notesOf(job)) note(plain(`note: ${place}: ${detail}`));
    print(summary(body, job));
  }
  if (job.state !== 'succeeded')
    throw new CommandFailure(plain(`${job.state}: ${job.error ?? 'somebody wanted it so'}`));
  if (output === undefined) return;
  const lock = await client.json<LockAnswer>(`/admin/jobs/${encodeURIComponent(id)}/lock`, {
    query: canonical ? { urls: 'canonical' } : {},
  });
  await writeLock(output, lock, { body, from: options.requirement });
  if (!json) note(`${output} is written`);
}

function notesOf({ result }: JobView): readonly { readonly place: string; readonly detail: string }[] {
  return (result?.notes ?? []) as readonly { readonly place: string; readonly detail: string }[];
}

function summary({ name }: LockBody, { counts, bytes: size }: JobView): string {
  const { entries = 0, stored = 0, present = 0, skipped = 0 } = counts;
  const rest = skipped === 0 ? '' : `, ${skipped} that an install may do without were skipped`;
  return plain(
    `${name} is outage-proof: ${entries} entries, ${stored} files stored, ${present} here already (${bytes(size)})${rest}`,
  );
}

/** The files that it refers to go beside it, unless they are the very ones that were read. */
async function writeLock(
  output: string,
  { content, parts }: LockAnswer,
  { body, from }: { readonly body: LockBody; readonly from: string },
): Promise<void> {
  const folder = dirname(output);
  const isSameFolder = resolve(folder) === resolve(dirname(from));
  const changed = Object.entries(parts).filter(([name, text]) => !isSameFolder || body.parts?.[name] !== text);
  if (isSameFolder && changed.length > 0) {
    const names = changed.map(([name]) => name).join(', ');
    throw new CommandFailure(`${plain(names)} would have to change as well: give --output a folder of its own.`);
  }
  await mkdir(folder, { recursive: true });
  for (const [name, text] of changed) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  await writeFile(output, content);
}
