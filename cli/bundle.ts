import { Command, InvalidArgumentError } from 'commander';
import { type FetchOptions, fetchBundle, findVersion, REFERENCE } from './bundle-fetch.ts';
import { type PushOptions, push } from './bundle-push.ts';
import { Client, type ServerOptions, withServer } from './client.ts';
import { CommandFailure } from './failure.ts';
import { bytes, plain, print, printJson, printTable } from './print.ts';

interface Options extends ServerOptions {
  readonly json?: true;
}

interface MoveOptions extends Options {
  readonly expected?: string;
  readonly why?: string;
  readonly force?: true;
}

interface VersionView {
  readonly app: string;
  readonly version: string;
  readonly filename: string;
  readonly sha256: string;
  readonly size: number;
  readonly at: string;
  readonly by: string;
  readonly commit: string | null;
  readonly tag: string | null;
  readonly buildUrl: string | null;
  readonly channels?: readonly string[];
  readonly contents: readonly { readonly name: string; readonly version: string }[] | null;
  readonly contentsNote?: string;
}

interface Move {
  readonly from: string | null;
  readonly to: string;
  readonly by: string;
  readonly at: string;
  readonly why: string | null;
  readonly kind: string;
  readonly undone: boolean;
}

interface Channel {
  readonly version: string;
  readonly move: Move | null;
}

/** `stormcellar bundle push|list|show|fetch|promote|rollback|history|diff|which|rm`. */
export function bundleCommand(): Command {
  const command = new Command('bundle').description('Applications, ready to deploy: store, promote, fetch, roll back.');
  const add = (usage: string, description: string): Command => {
    const sub = withServer(new Command(usage)).description(description).option('--json', 'print as JSON');
    command.addCommand(sub);
    return sub;
  };
  add('push', 'Store a file as a version. Name and version come from NAME-VERSION.tar.gz, or the PKG-INFO inside.')
    .argument('<file>', 'the archive')
    .option('--app <name>', 'application')
    .option('--version <version>', 'version')
    .option('--channel <channel>', 'point this channel to it')
    .option('--commit <id>', 'what it was built from (default: what the CI says)', ciCommit())
    .option('--tag <tag>', 'tag of that commit', ciTag())
    .option('--build-url <url>', 'page of the build', ciBuildUrl())
    .option('--lock <file>', 'the lock that it was built from, kept and compared')
    .option('--why <sentence>', 'reason, for the history of the channel')
    .option('--force', 'promote although another channel comes first (admins)')
    .action((file: string, options: PushOptions) => push(file, options));
  add('list', 'List applications, or the versions of one, newest first.').argument('[app]').action(list);
  add('show', 'Show a version: what it is, and what is inside.').argument('<reference>', REFERENCE).action(show);
  add('fetch', 'Download and verify. Goes on where an earlier call broke off.')
    .argument('<reference>', REFERENCE)
    .option('-o, --output <file>', 'file or folder (default: its own name, here)')
    .action((reference: string, options: FetchOptions) => fetchBundle(reference, options));
  add('promote', 'Point a channel to a version.')
    .argument('<app>')
    .argument('<version>', 'a version, or @CHANNEL for what another channel points to')
    .argument('<channel>')
    .option('--expected <version>', 'only if the channel still points there ("none": does not exist)')
    .option('--why <sentence>', 'reason, for the history')
    .option('--force', 'although another channel comes first (admins)')
    .action(promote);
  add('rollback', 'Point a channel back to what it pointed to before; again, further back.')
    .argument('<app>')
    .argument('<channel>')
    .option('--expected <version>', 'only if the channel still points there')
    .option('--why <sentence>', 'reason, for the history')
    .action(rollback);
  add('history', 'Every move of a channel.').argument('<app>').argument('<channel>').action(history);
  add('diff', 'What changed inside.')
    .argument('<app>')
    .argument('<from>', 'a version or @CHANNEL')
    .argument('<to>', 'a version or @CHANNEL')
    .action(diff);
  add('which', 'Which versions, and which channels, hold a distribution or a digest. Exit 1 when none does.')
    .argument('<what>', 'NAME, NAME==VERSION, or a sha256', whatArgument)
    .action(which);
  add('rm', 'Delete a version that no channel points to (nothing else can ever take its name), or remove a channel.')
    .argument('<app>')
    .argument('<version>', 'a version, or @CHANNEL')
    .action(remove);
  return command;
}

async function list(app: string | undefined, options: Options): Promise<void> {
  const client = new Client(options);
  if (app === undefined) {
    type Summary = { name: string; latest: string | null; channels: Record<string, string> };
    const all = await pages<Summary>(client, '/bundles/', 'bundles');
    if (options.json) return printJson(all);
    printTable(
      ['APP', 'LATEST', 'CHANNELS'],
      all.map(({ name, latest, channels }) => [name, latest ?? '-', channelText(channels)]),
    );
    return;
  }
  const versions = await pages<VersionView>(client, `/bundles/${encodeURIComponent(app)}`, 'versions');
  if (options.json) return printJson(versions);
  printTable(
    ['VERSION', 'CHANNELS', 'SIZE', 'WHEN', 'BY', 'COMMIT'],
    versions.map((one) => [
      one.version,
      one.channels?.join(',') ?? '',
      bytes(one.size),
      one.at,
      one.by,
      one.commit?.slice(0, 12) ?? '-',
    ]),
  );
}

async function show(reference: string, options: Options): Promise<void> {
  const client = new Client(options);
  const found = await findVersion<VersionView>(client, reference);
  const version = await client.json<VersionView>(`/bundles/${found.app}/${encodeURIComponent(found.version)}`);
  if (options.json) return printJson(version);
  const lines: [string, string | null][] = [
    ['app', version.app],
    ['version', version.version],
    ['file', `${version.filename}, ${bytes(version.size)}`],
    ['sha256', version.sha256],
    ['uploaded', `${version.at} by ${version.by}`],
    ['channels', version.channels?.join(', ') || null],
    ['commit', version.commit],
    ['tag', version.tag],
    ['build', version.buildUrl],
    [
      'contents',
      version.contents === null ? (version.contentsNote ?? 'unknown') : `${version.contents.length} distributions`,
    ],
  ];
  for (const [name, value] of lines) if (value !== null) print(plain(`${name.padEnd(9)} ${value}`));
  for (const one of version.contents ?? []) print(plain(`  ${one.name}==${one.version}`));
}

async function promote(app: string, version: string, channel: string, options: MoveOptions): Promise<void> {
  const client = new Client(options);
  const wanted = version.startsWith('@')
    ? (await client.json<VersionView>(`/bundles/${encodeURIComponent(app)}/${encodeURIComponent(version)}`)).version
    : version;
  const { expected, why, force } = options;
  const moved = await client.json<Channel>(channelPath(app, channel), {
    method: 'PUT',
    json: {
      version: wanted,
      ...(expected === undefined ? {} : { expected: expected === 'none' ? null : expected }),
      ...(why === undefined ? {} : { why }),
      ...(force ? { force } : {}),
    },
  });
  if (options.json) return printJson(moved);
  const from = moved.move?.from;
  const before = moved.move === null ? ' (it did already)' : from ? `, before to ${from}` : '';
  print(plain(`${app}@${channel} points to ${moved.version}${before}`));
}

async function rollback(app: string, channel: string, options: MoveOptions): Promise<void> {
  const { expected, why } = options;
  const moved = await new Client(options).json<Channel>(`${channelPath(app, channel)}/rollback`, {
    method: 'POST',
    json: { ...(expected === undefined ? {} : { expected }), ...(why === undefined ? {} : { why }) },
  });
  if (options.json) return printJson(moved);
  print(plain(`${app}@${channel} points to ${moved.version} again, before to ${moved.move?.from}`));
}

async function history(app: string, channel: string, options: Options): Promise<void> {
  const client = new Client(options);
  const moves: Move[] = [];
  for (let query = ''; ; ) {
    type Page = { moves: Move[]; previous: string | null };
    const page = await client.json<Page>(`${channelPath(app, channel)}/history${query}`);
    moves.unshift(...page.moves);
    if (page.previous === null) break;
    query = page.previous;
  }
  if (options.json) return printJson(moves);
  printTable(
    ['WHEN', 'FROM', 'TO', 'KIND', 'BY', 'WHY'],
    moves.map((one) => [
      one.at,
      one.from ?? '-',
      one.to,
      one.undone ? `${one.kind}, undone` : one.kind,
      one.by,
      one.why ?? '',
    ]),
  );
}

async function diff(app: string, from: string, to: string, options: Options): Promise<void> {
  type One = { name: string; version: string };
  type Diff = {
    from: One;
    to: One;
    added: One[];
    removed: One[];
    changed: { name: string; from: string; to: string }[];
  };
  const found = await new Client(options).json<Diff>(`/bundles/${encodeURIComponent(app)}/diff`, {
    query: { from, to },
  });
  if (options.json) return printJson(found);
  for (const { name, version } of found.removed) print(plain(`- ${name}==${version}`));
  for (const { name, version } of found.added) print(plain(`+ ${name}==${version}`));
  for (const one of found.changed) print(plain(`  ${one.name} ${one.from} -> ${one.to}`));
  if (found.removed.length + found.added.length + found.changed.length === 0) print('the same distributions');
}

async function which(what: string, options: Options): Promise<void> {
  const digest = /^(?:sha256:)?([0-9a-f]{64})$/i.exec(what)?.[1];
  type Found = { app: string; version: string; channels: string[]; holds?: string[]; match?: string };
  const query = digest === undefined ? { contains: what } : { sha256: digest };
  const { found } = await new Client(options).json<{ found: Found[] }>('/bundles/', { query });
  if (options.json) printJson(found);
  else if (found.length > 0) {
    printTable(
      ['APP', 'VERSION', 'CHANNELS', 'HOLDS'],
      found.map((one) => [
        one.app,
        one.version,
        one.channels.join(',') || '-',
        one.holds?.join(', ') ?? one.match ?? '',
      ]),
    );
  }
  if (found.length === 0) throw new CommandFailure(`No bundle holds ${plain(what)}.`);
}

async function remove(app: string, what: string, options: Options): Promise<void> {
  const channel = what.startsWith('@') ? what.slice(1) : undefined;
  const path =
    channel === undefined
      ? `/bundles/${encodeURIComponent(app)}/${encodeURIComponent(what)}`
      : channelPath(app, channel);
  await new Client(options).json(path, { method: 'DELETE' });
  if (options.json) printJson({ app, ...(channel === undefined ? { version: what } : { channel }), deleted: true });
  else print(plain(channel === undefined ? `${app} ${what} is deleted` : `${app}@${channel} is removed`));
}

function channelPath(app: string, channel: string): string {
  return `/bundles/${encodeURIComponent(app)}/channels/${encodeURIComponent(channel)}`;
}

/** Every entry of a list that comes in pages. */
async function pages<T>(client: Client, path: string, member: string): Promise<T[]> {
  const all: T[] = [];
  for (let next: string | null = ''; next !== null; ) {
    const page: Record<string, unknown> = await client.json(`${path}${next}`);
    all.push(...(page[member] as T[]));
    next = (page.next as string | null | undefined) ?? null;
  }
  return all;
}

function channelText(channels: Readonly<Record<string, string>>): string {
  return Object.entries(channels)
    .map(([name, version]) => `${name}=${version}`)
    .join(' ');
}

function whatArgument(text: string): string {
  if (/^\S+$/.test(text)) return text;
  throw new InvalidArgumentError('Expected NAME, NAME==VERSION or a sha256.');
}

// What GitHub Actions, GitLab CI and Jenkins say of a build, in this order.
function ciCommit(): string | undefined {
  return process.env.GITHUB_SHA ?? process.env.CI_COMMIT_SHA ?? process.env.GIT_COMMIT;
}

function ciTag(): string | undefined {
  return process.env.GITHUB_REF_TYPE === 'tag' ? process.env.GITHUB_REF_NAME : process.env.CI_COMMIT_TAG;
}

function ciBuildUrl(): string | undefined {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID, CI_JOB_URL, BUILD_URL } = process.env;
  if (GITHUB_RUN_ID) return `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}/actions/runs/${GITHUB_RUN_ID}`;
  return CI_JOB_URL ?? BUILD_URL;
}
