import { Command, CommanderError } from 'commander';
import { CommandFailure } from './failure.ts';
import { takeOptionsBefore } from './options-before.ts';

/**
 * Runs the command line and sets the exit code: 0 done, 1 failed, 2 wrong usage or configuration. Never throws. A command is a
 * file of its own that exports `xxxCommand(): Command` and throws `CommandFailure`.
 */
export async function main(argv: readonly string[], version: string): Promise<void> {
  const program = new Command('stormcellar')
    .description('A private Python package index and artifact store that outlives its upstream.')
    .version(version)
    .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 wrong usage or configuration.');
  program.addCommand(serveCommand(version));
  program.addCommand(configCommand());
  // A server that runs for months keeps none of the others in its memory.
  if (argv[2] !== 'serve') {
    for (const stream of [process.stdout, process.stderr]) stream.on('error', whenNobodyReads);
    const { commands } = await import('./commands.ts');
    for (const command of commands(async () => (await import('../server/compose-move.ts')).moveCellar)) {
      program.addCommand(command);
    }
    takeOptionsBefore(program);
  }
  for (const command of withSubcommands(program)) {
    command.exitOverride().showHelpAfterError('(--help says more)');
    // Else what stands behind `jobs show` would be an option of `jobs`, and `bundle push --version` would print the program's own.
    command.enablePositionalOptions();
  }
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    process.exitCode = exitCodeOf(error);
    // Commander has printed its own complaints already.
    if (!(error instanceof CommanderError)) process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  }
}

/** Whoever reads our output may have seen enough, such as `head`: then there is nothing left to do. */
function whenNobodyReads(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
}

function serveCommand(version: string): Command {
  return new Command('serve')
    .description('Serve the index, until SIGTERM or SIGINT.')
    .option('-c, --config <file>', 'configuration file (default: $STORMCELLAR_CONFIG, else none)')
    .action(async ({ config }: { config?: string }) => {
      // Loaded for this command only: the others speak HTTP and start faster without a server in memory.
      const { serve } = await import('../server/main.ts');
      process.exit(await serve({ file: config, version }));
    });
}

function configCommand(): Command {
  const check = new Command('check')
    .description('Read a configuration, with the environment, and tell everything that is wrong with it.')
    .argument('[file]', 'configuration file (default: $STORMCELLAR_CONFIG, else none)')
    .action(async (file?: string) => {
      const { checkConfig } = await import('../server/main.ts');
      process.exitCode = await checkConfig(file);
    });
  return new Command('config').description('Work on the configuration.').addCommand(check);
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommandFailure) return error.exitCode;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  return 1;
}
