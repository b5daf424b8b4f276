import type { Command } from 'commander';
import { bundleCommand } from './bundle.ts';
import { drillCommand } from './drill.ts';
import { eventsCommand } from './events.ts';
import { explainCommand } from './explain.ts';
import { gcCommand } from './gc.ts';
import { importCommand } from './import.ts';
import { jobsCommand } from './jobs.ts';
import { locksCommand } from './locks.ts';
import { mirrorCommand } from './mirror.ts';
import { moveCommand } from './move.ts';
import { readOnlyCommand } from './read-only.ts';
import { statusCommand } from './status.ts';
import { tokenCommand } from './token.ts';
import { verifyCommand } from './verify.ts';
import { yankCommand } from './yank.ts';

/** The commands that do something and end, in the order of the help. `move` is loaded when it is asked for. */
export function commands(move: Parameters<typeof moveCommand>[0]): Command[] {
  return [
    bundleCommand(),
    mirrorCommand(),
    drillCommand(),
    locksCommand(),
    jobsCommand(),
    importCommand(),
    tokenCommand(),
    yankCommand(),
    eventsCommand(),
    statusCommand(),
    explainCommand(),
    verifyCommand(),
    gcCommand(),
    readOnlyCommand(),
    moveCommand(move),
  ];
}
