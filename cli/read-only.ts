import { Command } from 'commander';
import { Client, type ServerOptions, withServer } from './client.ts';
import { CommandFailure } from './failure.ts';
import { plain, print, printJson } from './print.ts';

interface State {
  readonly on: boolean;
  readonly since?: string;
  readonly by?: string;
  readonly why?: string;
}

interface ReadOnlyOptions extends ServerOptions {
  readonly why?: string;
  readonly json?: true;
}

/** `stormcellar read-only [on|off]`: refuses writes on every node, or takes them again; alone, tells which it is. */
export function readOnlyCommand(): Command {
  return withServer(new Command('read-only'))
    .description('Refuse writes on every node (503, with Retry-After), or take them again. Reading goes on.')
    .argument('[on|off]', 'without it: tell which it is')
    .option('--why <text>', 'a few words for whoever is refused')
    .option('--json', 'print as JSON')
    .action(async (word: string | undefined, options: ReadOnlyOptions) => {
      if (word !== undefined && word !== 'on' && word !== 'off') throw new CommandFailure('Expected on or off.', 2);
      if (word !== 'on' && options.why !== undefined) throw new CommandFailure('--why goes with "on".', 2);
      const client = new Client(options);
      const state =
        word === undefined
          ? await client.json<State>('/admin/read-only')
          : await client.json<State>('/admin/read-only', {
              method: 'POST',
              json: { on: word === 'on', ...(options.why === undefined ? {} : { why: options.why }) },
            });
      if (options.json) printJson(state);
      else print(plain(state.on ? `read-only since ${state.since} by ${state.by}: ${state.why}` : 'writes are taken'));
    });
}
