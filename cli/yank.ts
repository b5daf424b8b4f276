import { Command } from 'commander';
import { Client, type ServerOptions, withServer } from './client.ts';
import { CommandFailure } from './failure.ts';
import { plain, print } from './print.ts';

interface YankOptions extends ServerOptions {
  readonly repository: string;
  readonly reason?: string;
  readonly undo?: true;
}

/** `stormcellar yank PROJECT VERSION`. */
export function yankCommand(): Command {
  return withServer(new Command('yank'))
    .description('Yank a release: installers leave it out, unless it is pinned exactly. It stays downloadable.')
    .argument('<project>', 'in any spelling')
    .argument('<version>', 'in any spelling')
    .option('--reason <text>', 'shown to who installs it all the same')
    .option('--undo', 'take it back')
    .option('--repository <name>', 'the hosted repository that has it', 'local')
    .action(yank);
}

async function yank(project: string, version: string, options: YankOptions): Promise<void> {
  const { repository, reason, undo } = options;
  if (undo && reason !== undefined) throw new CommandFailure('--undo takes no --reason.', 2);
  const steps = ['repositories', repository, 'projects', project, 'releases', version].map(encodeURIComponent);
  const done = await new Client(options).json<{ project: string; version: string }>(`/admin/${steps.join('/')}`, {
    method: 'PATCH',
    json: { yanked: undo ? false : (reason ?? true) },
  });
  print(plain(`${undo ? 'unyanked' : 'yanked'} ${done.project} ${done.version}`));
}
