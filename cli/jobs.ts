import { Command } from 'commander';
import { Client, type ServerOptions, withServer } from './client.ts';
import { CommandFailure } from './failure.ts';
import { fileLine, followEvents, type JobView } from './job-events.ts';
import { jobWithFiles } from './job-files.ts';
import { plain, print, printJson, printTable } from './print.ts';

interface Options extends ServerOptions {
  readonly json?: true;
}

/** `stormcellar jobs [list|show|follow|cancel]`: what the server does in the background. */
export function jobsCommand(): Command {
  const command = listing(new Command('jobs')).description('Jobs of the server, newest first.');
  command.addCommand(listing(new Command('list')).description('The same as "jobs" alone.'));
  command.addCommand(
    withServer(new Command('show'))
      .description('Show a job, and what came of each thing that it had to do.')
      .argument('<id>')
      .option('--json', 'print as JSON')
      .action(show),
  );
  command.addCommand(
    withServer(new Command('follow'))
      .description('Follow a job to its end. Exit code 1 when it does not succeed.')
      .argument('<id>')
      .option('--json', 'print the job as JSON at the end')
      .action(follow),
  );
  command.addCommand(
    withServer(new Command('cancel'))
      .description('Give up jobs.')
      .argument('<id...>')
      .option('--json', 'print the jobs as JSON')
      .action(cancel),
  );
  return command;
}

function listing(command: Command): Command {
  return withServer(command)
    .option('--state <state>', 'only queued, running, succeeded, failed or cancelled ones')
    .option('--json', 'print as JSON')
    .action(list);
}

async function list(options: Options & { readonly state?: string }): Promise<void> {
  const { jobs } = await new Client(options).json<{ jobs: JobView[] }>('/admin/jobs', {
    query: { state: options.state },
  });
  if (options.json) return printJson(jobs);
  printTable(
    ['ID', 'KIND', 'STATE', 'BY', 'MADE', 'FINISHED', 'ERROR'],
    jobs.map(({ id, kind, state, by, createdAt, finishedAt, error }) => [
      id,
      kind,
      state,
      by,
      createdAt,
      finishedAt ?? '',
      error ?? '',
    ]),
  );
}

async function show(id: string, options: Options): Promise<void> {
  const client = new Client(options);
  const { job, files: outcomes } = await jobWithFiles(client, id);
  if (options.json) return printJson({ ...job, files: outcomes, next: undefined });
  print(plain(`${job.id}  ${job.kind}  ${job.state}  by ${job.by}, ${job.createdAt}`));
  if (job.error !== null) print(plain(job.error));
  const counts = Object.entries(job.counts).map(([name, count]) => `${name} ${count}`);
  if (counts.length > 0) print(counts.join(', '));
  for (const file of outcomes) print(fileLine(file));
}

async function follow(id: string, options: Options): Promise<void> {
  const job = await followEvents(new Client(options), id, { isQuiet: options.json === true });
  if (options.json) printJson(job);
  else print(plain(`${job.id} ${job.state}`));
  if (job.state !== 'succeeded') throw new CommandFailure(plain(job.error ?? `The job is ${job.state}.`));
}

async function cancel(ids: readonly string[], options: Options): Promise<void> {
  const client = new Client(options);
  const jobs: JobView[] = [];
  for (const id of ids) {
    const job = await client.json<JobView>(`/admin/jobs/${encodeURIComponent(id)}`, { method: 'DELETE' });
    jobs.push(job);
    if (options.json) continue;
    const isOver = ['succeeded', 'failed', 'cancelled'].includes(job.state);
    print(plain(`${id} ${isOver ? job.state : 'is told to stop'}`));
  }
  if (options.json) printJson(jobs);
}
