import { Command } from 'commander';
import { Client, type ServerOptions, withServer } from './client.ts';
import { CommandFailure } from './failure.ts';
import { type Arrival, type ArrivalOutcome, Importer } from './import-file.ts';
import { type Found, fromDevpiExport, fromFolder } from './import-folder.ts';
import { fromDevpiServer, fromSimple } from './import-simple.ts';
import { note, plain, print, printJson } from './print.ts';

interface ImportOptions extends ServerOptions {
  readonly simple?: string;
  readonly devpi?: string;
  readonly devpiIndex?: string;
  readonly project?: readonly string[];
  readonly into?: string;
  readonly dryRun?: true;
  readonly json?: true;
}

/** `stormcellar import`: moves in the packages of another index, or of a folder. */
export function importCommand(): Command {
  return withServer(new Command('import'))
    .description(
      'Upload every package of a folder, or of another index. What is here already is not sent again, so that a call that broke off goes on. Exit code 1 when a file could not be taken.',
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
    .option('--dry-run', 'only tell which files there are')
    .option('--json', 'print the outcomes as JSON')
    .action(importAll);
}

const AT_ONCE = 4;

async function importAll(folder: string | undefined, options: ImportOptions): Promise<void> {
  const { arrivals, skipped } = await source(folder, options);
  const outcomes: ArrivalOutcome[] = [];
  const importer = new Importer(new Client(options), options.into);
  const take = async (arrival: Arrival): Promise<void> => {
    const outcome: ArrivalOutcome = options.dryRun
      ? { state: 'present', filename: arrival.filename }
      : await importer.take(arrival);
    outcomes.push(outcome);
    if (options.json) return;
    const { state, filename, why } = outcome;
    if (options.dryRun) print(plain(filename));
    else note(plain(`${state.padEnd(8)} ${filename}${why === undefined ? '' : `: ${why}`}`));
  };
  const iterator = arrivals[Symbol.asyncIterator]();
  let turn: Promise<IteratorResult<Arrival>> | undefined;
  const next = (): Promise<IteratorResult<Arrival>> => {
    turn = (turn ?? Promise.resolve()).then(() => iterator.next());
    return turn;
  };
  const worker = async (): Promise<void> => {
    for (let item = await next(); item.done !== true; item = await next()) await take(item.value);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const count = (state: ArrivalOutcome['state']): number =>
    outcomes.filter((outcome) => outcome.state === state).length;
  if (options.json) printJson({ files: outcomes, skipped });
  else if (!options.dryRun) print(`${count('stored')} files are stored, ${count('present')} were here already`);
  if (!options.json && skipped.length > 0)
    note(
      plain(
        `left out: ${skipped.slice(0, 20).join(', ')}${skipped.length > 20 ? ` and ${skipped.length - 20} more` : ''}`,
      ),
    );
  if (count('failed') > 0) throw new CommandFailure(`${count('failed')} files could not be taken`);
}

async function source(folder: string | undefined, options: ImportOptions): Promise<Found> {
  const { simple, devpi, devpiIndex, project = [] } = options;
  const given = [folder, simple, devpi].filter((each) => each !== undefined);
  if (given.length !== 1) throw new CommandFailure('Give a folder, --simple URL or --devpi WHERE: one of them.', 2);
  if (simple !== undefined) return await fromSimple(simple, project);
  if (devpi !== undefined) {
    return /^https?:/i.test(devpi) ? await fromDevpiServer(devpi, project) : await fromDevpiExport(devpi, devpiIndex);
  }
  return await fromFolder(folder ?? '.');
}
