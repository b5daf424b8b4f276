import { Command, InvalidArgumentError } from 'commander';
import { Client, type ServerOptions, withServer } from './client.ts';
import { CommandFailure } from './failure.ts';
import { note, print, printJson, printTable } from './print.ts';

interface TokenView {
  readonly id: string;
  readonly name: string;
  readonly can: readonly string[];
  readonly projects: readonly string[] | null;
  readonly apps: readonly string[] | null;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
}

interface CreateOptions extends ServerOptions {
  readonly can: readonly string[];
  readonly projects?: readonly string[];
  readonly apps?: readonly string[];
  readonly expires?: Date;
  readonly json?: true;
}

const MOST_LISTED = 1000;

/** `stormcellar token create|list|revoke`. */
export function tokenCommand(): Command {
  const command = new Command('token').description('Make, list and revoke tokens.');
  command.addCommand(
    withServer(new Command('create'))
      .description('Make a token. The secret alone goes to standard output, this once.')
      .argument('<name>', 'what it is for; the audit trail names it')
      .requiredOption('--can <rights>', 'read, upload, bundle, admin; several with commas', rights)
      .option('--projects <patterns>', 'only these projects, such as acme-lib,acme-app-*', words)
      .option('--apps <patterns>', 'only these applications', words)
      .option('--expires <when>', 'after 30d, 12h, 15m, or on a date (2027-01-31)', moment)
      .option('--json', 'print everything as JSON')
      .action(create),
  );
  command.addCommand(
    withServer(new Command('list'))
      .description('List tokens, without their secrets.')
      .option('--json', 'print as JSON')
      .action(list),
  );
  command.addCommand(
    withServer(new Command('revoke'))
      .description('End tokens, at once.')
      .argument('<id...>', 'ids as "token list" shows them')
      .action(revoke),
  );
  return command;
}

async function create(name: string, options: CreateOptions): Promise<void> {
  const { can, projects, apps, expires, json } = options;
  const made = await new Client(options).json<TokenView & { readonly token: string }>('/admin/tokens', {
    method: 'POST',
    json: { name, can, projects, apps, expiresAt: expires?.toISOString() },
  });
  if (json) return printJson(made);
  print(made.token);
  const until = made.expiresAt === null ? 'until it is revoked' : `until ${made.expiresAt}`;
  note(`Token "${made.name}" (id ${made.id}), good ${until}. Keep it: it is not shown again.`);
}

async function list(options: ServerOptions & { readonly json?: true }): Promise<void> {
  const client = new Client(options);
  const tokens: TokenView[] = [];
  for (let after: string | undefined; ; ) {
    const page = await client.json<{ tokens: TokenView[] }>('/admin/tokens', { query: { after } });
    tokens.push(...page.tokens);
    after = page.tokens.at(-1)?.id;
    if (page.tokens.length < MOST_LISTED) break;
  }
  if (options.json) return printJson(tokens);
  printTable(
    ['ID', 'NAME', 'CAN', 'PROJECTS', 'APPS', 'EXPIRES', 'LAST USED'],
    tokens.map(({ id, name, can, projects, apps, expiresAt, lastUsedAt }) => [
      id,
      name,
      can.join(','),
      limit(projects),
      limit(apps),
      expiresAt ?? 'never',
      lastUsedAt ?? 'never',
    ]),
  );
}

async function revoke(ids: readonly string[], options: ServerOptions): Promise<void> {
  const client = new Client(options);
  // A secret in an address would end up in logs.
  if (ids.some((id) => id.startsWith('sc_'))) throw new CommandFailure('This is a token itself: give its id.', 2);
  for (const id of ids) {
    await client.json(`/admin/tokens/${encodeURIComponent(id)}`, { method: 'DELETE' });
    print(`revoked ${id}`);
  }
}

function limit(patterns: readonly string[] | null): string {
  return patterns === null ? 'all' : patterns.join(',') || 'none';
}

const RIGHTS = ['read', 'upload', 'bundle', 'admin'];

function rights(text: string, before?: readonly string[]): readonly string[] {
  const list = words(text, before);
  if (words(text).length > 0 && list.every((word) => RIGHTS.includes(word))) return list;
  throw new InvalidArgumentError(`Expected ${RIGHTS.join(', ')}; several with commas.`);
}

/** The words of an option, with those of the same option `before`. */
function words(text: string, before: readonly string[] = []): readonly string[] {
  const own = text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  return [...new Set([...before, ...own])];
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

function moment(text: string): Date {
  const [, count, unit] = /^(\d{1,6})([mhdw])$/.exec(text) ?? [];
  if (count !== undefined && unit !== undefined) return new Date(Date.now() + Number(count) * (UNITS[unit] ?? 0));
  const date = new Date(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T23:59:59.999Z` : text);
  if (!/^\d{4}-/.test(text) || Number.isNaN(date.getTime())) {
    throw new InvalidArgumentError('Expected 30d, 12h, 15m, 2w, or a date such as 2027-01-31.');
  }
  return date;
}
