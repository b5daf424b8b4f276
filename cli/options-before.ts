import { type Command, Option } from 'commander';

/**
 * Lets options stand before a subcommand too: `--server` and `--token` anywhere (`stormcellar --server URL token list`), and those of a
 * command that does something of its own (`jobs --json show ID`). What stands behind the subcommand counts for more. An option that the
 * subcommand does not have is wrong usage.
 */
export function takeOptionsBefore(program: Command): void {
  offer(program, false);
  for (const command of program.commands) if (command.commands.length > 0) offer(command, true);
  program.hook('preAction', (_, subcommand) => {
    for (let above = subcommand.parent; above !== null; above = above.parent) handDown(above, subcommand);
  });
}

function offer(command: Command, isHidden: boolean): void {
  const server = new Option('--server <url>', 'address of the server, for every command that speaks to one');
  for (const option of [server, new Option('--token <token>', 'who asks, likewise')]) {
    if (command.options.some(({ long }) => long === option.long)) continue;
    command.addOption(option.hideHelp(isHidden));
  }
}

function handDown(above: Command, subcommand: Command): void {
  for (const option of above.options) {
    const name = option.attributeName();
    if (above.getOptionValueSource(name) !== 'cli') continue;
    if (!subcommand.options.some(({ long }) => long === option.long)) {
      subcommand.error(`error: option '${option.long}' is not for '${subcommand.name()}'`);
    }
    if (subcommand.getOptionValueSource(name) === 'cli') continue;
    subcommand.setOptionValueWithSource(name, above.getOptionValue(name), 'cli');
  }
}
