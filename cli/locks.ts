import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { Client, type ServerOptions, withServer } from './client.ts';
import { plain, print, printJson, printTable } from './print.ts';

interface Options extends ServerOptions {
  readonly json?: true;
}

interface LockView {
  readonly name: string;
  readonly ready: boolean;
  readonly since: string;
  readonly checkedAt: string;
  readonly version: string;
  readonly keptAt: string;
  readonly keptBy: string;
  readonly targets: readonly string[];
  readonly missing: readonly {
    readonly name: string;
    readonly version: string | null;
    readonly filename: string | null;
    readonly why: string;
  }[];
  readonly missingCount: number;
  readonly watch: { readonly url: string; readonly error: string | null } | null;
  readonly versions?: readonly { readonly version: string; readonly keptAt: string; readonly keptBy: string }[];
}

/** `stormcellar locks [list|show|get|drop]`: locks that the server keeps. */
export function locksCommand(): Command {
  const listing = (command: Command): Command => withServer(command).option('--json', 'print as JSON').action(list);
  const command = listing(new Command('locks')).description(
    'Locks that are kept (mirror --keep), and since when each is ready or not.',
  );
  command.addCommand(listing(new Command('list')).description('The same as "locks" alone.'));
  command.addCommand(
    withServer(new Command('show'))
      .description('Show one: what is missing, and every text it has had.')
      .argument('<name>')
      .option('--json', 'print as JSON')
      .action(show),
  );
  command.addCommand(
    withServer(new Command('get'))
      .description('Print the text of one.')
      .argument('<name>')
      .option('--version <version>', 'an earlier one, as "show" lists them')
      .option('-o, --output <file>', 'write it to a file')
      .option('--json', 'as JSON: name, content, and the parts that it refers to')
      .action(get),
  );
  command.addCommand(
    withServer(new Command('drop'))
      .description('Keep locks no longer.')
      .argument('<name...>')
      .option('--json', 'print the names as JSON')
      .action(drop),
  );
  return command;
}

async function list(options: Options): Promise<void> {
  const client = new Client(options);
  const locks: LockView[] = [];
  for (let query = '?'; query !== ''; ) {
    const page = await client.json<{ locks: LockView[]; next: string | null }>(`/admin/locks${query}`);
    locks.push(...page.locks);
    query = page.next ?? '';
  }
  if (options.json) return printJson(locks);
  printTable(
    ['NAME', 'READY', 'SINCE', 'CHECKED', 'MISSING', 'KEPT', 'BY'],
    locks.map(({ name, ready, since, checkedAt, missingCount, keptAt, keptBy }) => [
      name,
      ready ? 'yes' : 'NO',
      since,
      checkedAt,
      String(missingCount),
      keptAt,
      keptBy,
    ]),
  );
}

async function show(name: string, options: Options): Promise<void> {
  const lock = await new Client(options).json<LockView>(`/admin/locks/${encodeURIComponent(name)}`);
  if (options.json) return printJson(lock);
  const { ready, since, checkedAt, missing, missingCount, versions = [], targets, watch } = lock;
  print(plain(`${lock.name}: ${ready ? 'ready' : 'not ready'} since ${since}, checked ${checkedAt}`));
  if (targets.length > 0) print(plain(`for ${targets.join(', ')}`));
  if (watch !== null) print(plain(`watched at ${watch.url}${watch.error === null ? '' : `: ${watch.error}`}`));
  for (const { name: project, version, filename, why } of missing)
    print(plain(`missing ${filename ?? [project, version ?? ''].join(' ').trim()}: ${why}`));
  if (missingCount > missing.length) print(`and ${missingCount - missing.length} more`);
  for (const { version, keptAt, keptBy } of versions) print(plain(`version ${version}  ${keptAt}  ${keptBy}`));
}

async function get(name: string, options: Options & { version?: string; output?: string }): Promise<void> {
  const { version, output, json } = options;
  const response = await new Client(options).send(`/admin/locks/${encodeURIComponent(name)}/text`, {
    query: { version },
    headers: { Accept: json ? 'application/json' : 'text/plain' },
  });
  const text = await response.text();
  if (output === undefined) process.stdout.write(json ? `${text}\n` : text);
  else await writeFile(output, text);
}

async function drop(names: readonly string[], options: Options): Promise<void> {
  const client = new Client(options);
  for (const name of names) {
    await client.json(`/admin/locks/${encodeURIComponent(name)}`, { method: 'DELETE' });
    if (!options.json) print(plain(`${name} is kept no longer`));
  }
  if (options.json) printJson({ dropped: names });
}
