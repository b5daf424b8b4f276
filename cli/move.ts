import { Command } from 'commander';
import { CommandFailure } from './failure.ts';
import { bytes, note, plain, print, printJson, printTable } from './print.ts';

/** What the program is asked for; it opens both cellars itself. */
export interface MoveOrder {
  readonly config?: string;
  readonly to: string;
  readonly leaveDamaged: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: MoveProgress) => void;
}

interface MoveProgress {
  readonly phase: 'copying' | 'finishing';
  readonly pass: number;
  readonly rows: number;
  readonly blobs: number;
  readonly bytes: number;
}

interface Damage {
  readonly digest: string;
  readonly size: number;
  readonly state: 'missing' | 'corrupt';
}

export type MoveOutcome =
  | { readonly kind: 'moved-before'; readonly at: number }
  | { readonly kind: 'damaged'; readonly damaged: readonly Damage[] }
  | {
      readonly kind: 'moved';
      /** `bytes`: the rows are where they were. */
      readonly what: 'cellar' | 'bytes';
      readonly tables: readonly { readonly name: string; readonly rows: number }[];
      readonly damaged: readonly Damage[];
      readonly pausedMs: number;
    };

interface MoveOptions {
  readonly config?: string;
  readonly to: string;
  readonly leaveDamaged?: true;
  readonly json?: true;
}

const MOST_SHOWN = 20;

/**
 * `stormcellar move`: copies a cellar to other engines, beside the servers that run on it or alone. `load` fetches what opens
 * databases and stores, which no other command needs. Exit code 1 when it did not end, 2 for a configuration that is not in order.
 */
export function moveCommand(load: () => Promise<(order: MoveOrder) => Promise<MoveOutcome>>): Command {
  return new Command('move')
    .description(
      'Copy this cellar to other engines (SQLite and disk to PostgreSQL and S3, or back) while it is served.',
    )
    .requiredOption('--to <file>', 'configuration file of the copy; its engines have to be empty')
    .option('-c, --config <file>', 'configuration file of this cellar (default: $STORMCELLAR_CONFIG, else none)')
    .option('--leave-damaged', 'go on although bytes of some blobs are missing or wrong; the copy will lack them')
    .option('--json', 'print as JSON')
    .addHelpText(
      'after',
      `
Run it on the machine and as the user of the server, with the same version of this program. Reads and writes go on while it
copies. For the last difference writes are refused (503, with Retry-After) and stay refused here: start the servers with the
other configuration then. Ended early, by whatever, the same command goes on where it was. docs/operations.md tells more.`,
    )
    .action(async (options: MoveOptions) => {
      const stop = new AbortController();
      const onSignal = (): void => stop.abort(new CommandFailure('Stopped. The same command goes on from here.'));
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal);
      const lines = new Lines(process.stderr.isTTY === true);
      try {
        const move = await load();
        const outcome = await move({
          ...(options.config === undefined ? {} : { config: options.config }),
          to: options.to,
          leaveDamaged: options.leaveDamaged === true,
          signal: stop.signal,
          onProgress: (progress) => lines.show(progress),
        });
        lines.end();
        tell(outcome, options);
      } catch (error) {
        lines.end();
        throw failureOf(error);
      }
    });
}

function tell(outcome: MoveOutcome, { to, json }: MoveOptions): void {
  if (json) printJson(outcome);
  if (outcome.kind === 'damaged') {
    throw new CommandFailure(
      `${listed(outcome.damaged)}\nNothing was ended. "stormcellar verify" fetches again what an upstream still has; then run this command again, or with --leave-damaged.`,
    );
  }
  if (json) return;
  if (outcome.kind === 'moved-before') {
    print(`It was moved on ${new Date(outcome.at).toISOString()} already. Start the servers with ${to}.`);
    return;
  }
  printTable(
    ['TABLE', 'ROWS'],
    outcome.tables.map(({ name, rows }) => [name, String(rows)]),
  );
  if (outcome.damaged.length > 0) note(listed(outcome.damaged));
  print('');
  print(
    `Moved; every row compared, every blob checked. Writes were refused for ${(outcome.pausedMs / 1000).toFixed(1)} s so far, and`,
  );
  const then = outcome.what === 'bytes' ? 'then takes writes again' : 'would take it back';
  print(`still are: stop the servers and start them with ${to}. "stormcellar read-only off" ${then}.`);
}

function listed(damaged: readonly Damage[]): string {
  const lines = damaged.slice(0, MOST_SHOWN).map(({ digest, size, state }) => `  ${digest}  ${bytes(size)}  ${state}`);
  const more = damaged.length > MOST_SHOWN ? [`  and ${damaged.length - MOST_SHOWN} more (--json lists them)`] : [];
  return [`Bytes of ${damaged.length} blobs are missing or wrong; they were not copied:`, ...lines, ...more].join('\n');
}

function failureOf(error: unknown): CommandFailure {
  if (error instanceof CommandFailure) return error;
  if (!(error instanceof Error)) return new CommandFailure(String(error));
  if (error.name === 'ConfigError') return new CommandFailure(error.message, 2);
  const [sentence = error.name] = error.message.split('\n');
  return new CommandFailure(plain(sentence), 1, { cause: error });
}

/** One line that changes on a terminal; else a line for each pass. */
class Lines {
  readonly #isTerminal: boolean;
  #pass = '';
  #shownAt = 0;

  constructor(isTerminal: boolean) {
    this.#isTerminal = isTerminal;
  }

  show(progress: MoveProgress): void {
    const { phase, pass, rows, blobs } = progress;
    const name = `${phase} ${pass}`;
    const isNew = name !== this.#pass;
    this.#pass = name;
    if (!this.#isTerminal) {
      if (isNew) note(phase === 'copying' ? `Copying, pass ${pass}` : `Writes are refused; comparing, pass ${pass}`);
      return;
    }
    const now = Date.now();
    if (!isNew && now - this.#shownAt < 100) return;
    this.#shownAt = now;
    const what = phase === 'copying' ? 'copying' : 'writes are refused, comparing';
    process.stderr.write(`\r\u001b[K${what}, pass ${pass}: ${rows} rows, ${blobs} blobs, ${bytes(progress.bytes)}`);
  }

  end(): void {
    if (this.#isTerminal) process.stderr.write('\r\u001b[K');
  }
}
