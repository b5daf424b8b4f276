import { Command } from 'commander';
import { Client, type ServerOptions, withServer } from './client.ts';
import { CommandFailure } from './failure.ts';
import { type Found, fromDevpiExport, fromFolder } from './import-folder.ts';
import { type FileView, fileLine, followEvents } from './job-events.ts';
import { jobWithFiles } from './job-files.ts';
import { note, plain, print, printJson } from './print.ts';
import { sendFiles } from './send-files.ts';

interface ImportOptions extends ServerOptions {
  readonly simple?: string;
  readonly devpi?: string;
  readonly devpiIndex?: string;
  readonly project?: readonly string[];
  readonly into?: string;
  readonly detach?: true;
  readonly dryRun?: true;
  readonly json?: true;
}

/** `stormcellar import`: moves in the packages of another index, or of a folder, as a job of the server. */
export function importCommand(): Command {
  return withServer(new Command('import'))
    .description(
      'Move in every package of another index, which the server fetches, or of a folder, which is sent. What is here already is neither fetched nor sent again: a call that broke off goes on when it is made again. Exit code 1 when a file could not be taken.',
    )
    .argument('[folder]', 'a wheelhouse, or the packages of pypiserver; files in folders below count too')
    .option('--simple <url>', 'an index instead: Nexus, Artifactory, pypiserver, any that has a simple API')
    .option('--devpi <where>', 'an export of devpi-server, or the address of one of its indexes')
    .option('--devpi-index <user/name>', 'of an export: only this index')
    .option(
      '--project <name>',
      'of an index: only this project; may be given again',
      (name: string, before: readonly string[] = []) => [...before, name],
    )
    .option('--into <index>', 'the index that takes them (default: the default one)')
    .option('--detach', 'of an index: do not wait for the job, only print its id')
    .option('--dry-run', 'of a folder: only tell which files there are')
    .option('--json', 'print the job and the outcomes as JSON')
    .action(importAll);
}

async function importAll(folder: string | undefined, options: ImportOptions): Promise<void> {
  const { simple, devpi, devpiIndex } = options;
  if ([folder, simple, devpi].filter((each) => each !== undefined).length !== 1)
    throw new CommandFailure('Give a folder, --simple URL or --devpi WHERE: one of them.', 2);
  const address = simple ?? (devpi !== undefined && /^https?:/i.test(devpi) ? devpi : undefined);
  if (address !== undefined) return await fetched(address, options);
  if (options.detach) throw new CommandFailure('--detach is for an index: a folder is sent from here.', 2);
  if (options.project !== undefined) throw new CommandFailure('--project is for an index.', 2);
  const found = devpi === undefined ? await fromFolder(folder ?? '.') : await fromDevpiExport(devpi, devpiIndex);
  if (options.dryRun) {
    for (const { filename } of found.arrivals) print(plain(filename));
    return;
  }
  await sent(found, options);
}

/** The server fetches. */
async function fetched(
  address: string,
  { simple, project, into, detach, dryRun, json, ...server }: ImportOptions,
): Promise<void> {
  if (dryRun) throw new CommandFailure('--dry-run is for a folder.', 2);
  const client = new Client(server);
  const order = {
    [simple === undefined ? 'devpi' : 'simple']: address,
    ...(project === undefined ? {} : { projects: project }),
    ...(into === undefined ? {} : { index: into }),
  };
  const { id } = await client.json<{ id: string }>('/admin/import', { method: 'POST', json: order });
  if (detach) return json ? printJson({ id }) : print(plain(id));
  if (!json) note(plain(`job ${id}; it goes on without this command (stormcellar jobs follow ${id})`));
  await finish(client, id, { json, left: [], skipped: [] });
}

/** It is sent from here. */
async function sent({ arrivals, skipped }: Found, { into, json, ...server }: ImportOptions): Promise<void> {
  const client = new Client(server);
  const isQuiet = json === true;
  const onJob = (id: string): void => {
    if (!isQuiet) note(plain(`job ${id}`));
  };
  const { id, left, broken } = await sendFiles(client, arrivals, { into, isQuiet, onJob });
  if (broken === undefined) return await finish(client, id, { json, left, skipped });
  throw new CommandFailure(
    plain(`The job ${id} still awaits files: ${broken}. Begin the import again: what is here is not sent again.`),
  );
}

/** Follows the job to its end and says what came of it. */
async function finish(
  client: Client,
  id: string,
  {
    json,
    left,
    skipped,
  }: { readonly json: true | undefined; readonly left: readonly FileView[]; readonly skipped: readonly string[] },
): Promise<void> {
  const job = await followEvents(client, id, { isQuiet: json === true });
  if (json) {
    const { files } = await jobWithFiles(client, id);
    printJson({ ...job, files: [...files, ...left], skipped });
  } else {
    for (const file of left) note(fileLine(file));
    const { stored = 0, present = 0 } = job.counts;
    print(`${stored} files are stored, ${present} were here already`);
    const more = skipped.length > 20 ? ` and ${skipped.length - 20} more` : '';
    if (skipped.length > 0) note(plain(`left out: ${skipped.slice(0, 20).join(', ')}${more}`));
  }
  if (job.state !== 'succeeded')
    throw new CommandFailure(plain(`${job.state}: ${job.error ?? 'somebody wanted it so'}`));
  if (left.length > 0) throw new CommandFailure(`${left.length} files could not be sent`);
}
