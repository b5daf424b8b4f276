import { Command, Option } from 'commander';
import { Client, type ServerOptions, withServer } from './client.ts';
import { runDrill } from './drill-run.ts';
import { CommandFailure } from './failure.ts';
import { type LockFileOptions, lockBody, withLock } from './lock-file.ts';
import { note, plain, print, printJson, printTable } from './print.ts';

interface DrillOptions extends ServerOptions, LockFileOptions {
  readonly run?: 'pip' | 'uv';
  readonly python: string;
  readonly json?: true;
}

interface DrillAnswer {
  readonly ready: boolean;
  readonly present: number;
  readonly missingCount: number;
  readonly missing: readonly {
    readonly name: string;
    readonly version: string | null;
    readonly filename: string | null;
    readonly why: string;
  }[];
  readonly targets: readonly { readonly target: string; readonly ready: boolean }[];
  readonly notes: readonly { readonly place: string; readonly detail: string }[];
}

/** `stormcellar drill`: would the lock install with nothing but the server? */
export function drillCommand(): Command {
  return withLock(withServer(new Command('drill')))
    .description(
      'Prove that a lock installs with nothing but the server, or tell what is missing. Exit code 1 when it would not.',
    )
    .addOption(
      new Option('--run <tool>', 'and do it: a fresh environment, a true install, only the server in reach').choices([
        'pip',
        'uv',
      ]),
    )
    .option('--python <program>', 'with --run: the Python to install for', 'python3')
    .option('--json', 'print as JSON')
    .action(drill);
}

async function drill(options: DrillOptions): Promise<void> {
  const client = new Client(options);
  const body = await lockBody(options);
  const answer = await client.json<DrillAnswer>('/admin/drill', { method: 'POST', json: body });
  const ran = answer.ready && options.run !== undefined ? await runDrill(options.run, body, options) : undefined;
  if (options.json) printJson(ran === undefined ? answer : { ...answer, run: ran });
  else {
    show(answer);
    if (ran !== undefined && !ran.ok) note(ran.output.trim().split('\n').map(plain).join('\n'));
  }
  if (!answer.ready) throw new CommandFailure(`not ready: ${answer.missingCount} missing`);
  if (ran === undefined) return;
  if (!ran.ok) {
    const reached = ran.refused.length === 0 ? '' : `; it wanted to reach ${ran.refused.join(', ')}`;
    throw new CommandFailure(plain(`${options.run} could not install it${reached}`));
  }
  if (!options.json)
    print(plain(`${options.run} has installed it in ${(ran.ms / 1000).toFixed(1)} s, with nothing but the server`));
}

function show({ ready, present, missing, targets, notes }: DrillAnswer): void {
  for (const { place, detail } of notes) note(plain(`note: ${place}: ${detail}`));
  if (ready) print(`ready: ${present} files are here`);
  else {
    printTable(
      ['NAME', 'VERSION', 'FILE', 'WHY'],
      missing.map(({ name, version, filename, why }) => [name, version ?? '', filename ?? '', why]),
    );
  }
  for (const { target, ready: fits } of targets) print(`${target}: ${fits ? 'ready' : 'not ready'}`);
}
