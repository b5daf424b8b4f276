import { Command } from 'commander';
import { Client, type ServerOptions, withServer } from './client.ts';
import { printJson, printTable } from './print.ts';

interface EventView {
  readonly at: string;
  readonly kind: string;
  readonly by: string;
  readonly address: string | null;
  readonly subject: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

interface EventOptions extends ServerOptions {
  readonly kind?: string;
  readonly subject?: string;
  readonly limit: string;
  readonly json?: true;
}

/** `stormcellar events`: the audit trail. */
export function eventsCommand(): Command {
  return withServer(new Command('events'))
    .description('Show the audit trail, newest first.')
    .option('--kind <kind>', 'only these, such as token-created')
    .option('--subject <subject>', 'only what happened to this, such as project/acme-lib')
    .option('--limit <number>', 'at most so many, up to 999', '50')
    .option('--json', 'print as JSON')
    .action(async (options: EventOptions) => {
      const { kind, subject, limit, json } = options;
      const query = { kind, subject, limit };
      const { events } = await new Client(options).json<{ events: EventView[] }>('/admin/events', { query });
      if (json) return printJson(events);
      printTable(
        ['WHEN', 'WHAT', 'TO', 'BY', 'FROM', 'DETAIL'],
        events.map((event) => [
          event.at,
          event.kind,
          event.subject,
          event.by,
          event.address ?? '',
          JSON.stringify(event.detail),
        ]),
      );
    });
}
