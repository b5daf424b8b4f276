import { Command } from 'commander';
import { Client, type ServerOptions, withServer } from './client.ts';
import { CommandFailure } from './failure.ts';
import { bytes, plain, print, printJson, printTable } from './print.ts';

interface Readiness {
  readonly status: string;
  readonly reasons?: readonly string[];
  readonly warnings?: readonly string[];
}

interface Stats {
  readonly projects: number;
  readonly files: number;
  readonly bytes: number;
  readonly hitRate: number;
}

interface UpstreamView {
  readonly name: string;
  readonly breaker: string;
  readonly since: string;
  readonly lastSuccess: string | null;
  readonly lastError: string | null;
  readonly pages: number;
  readonly files: number;
  readonly bytes: number;
}

/** `stormcellar status`: is the server ready, what does it hold, and how are its upstreams. Exit code 1 when it is not ready. */
export function statusCommand(): Command {
  return withServer(new Command('status'))
    .description(
      'Tell whether the server is ready, what it holds, and how its upstreams are. Exit code 1 when it is not ready.',
    )
    .option('--json', 'print as JSON')
    .action(async (options: ServerOptions & { readonly json?: true }) => {
      const client = new Client(options);
      const readiness = await client.json<Readiness>('/readyz', { accept: [503] });
      const isReady = readiness.status === 'ready';
      if (isReady) {
        const stats = await client.json<Stats>('/admin/stats');
        const { upstreams } = await client.json<{ upstreams: UpstreamView[] }>('/admin/upstreams');
        if (options.json) printJson({ ...readiness, stats, upstreams });
        else show(readiness, stats, upstreams);
      } else if (options.json) printJson(readiness);
      if (!isReady)
        throw new CommandFailure(`not ready: ${plain((readiness.reasons ?? []).join('; ') || 'no reason given')}`);
    });
}

function show({ status, warnings = [] }: Readiness, stats: Stats, upstreams: readonly UpstreamView[]): void {
  print(status);
  for (const warning of warnings) print(`warning: ${plain(warning)}`);
  print(`${stats.projects} projects, ${stats.files} files, ${bytes(stats.bytes)}, hit rate ${percent(stats.hitRate)}`);
  if (upstreams.length === 0) return;
  print('');
  printTable(
    ['UPSTREAM', 'BREAKER', 'SINCE', 'LAST SUCCESS', 'PAGES', 'FILES', 'BYTES', 'LAST ERROR'],
    upstreams.map((upstream) => [
      upstream.name,
      upstream.breaker,
      upstream.since,
      upstream.lastSuccess ?? 'never',
      String(upstream.pages),
      String(upstream.files),
      bytes(upstream.bytes),
      upstream.lastError ?? '',
    ]),
  );
}

function percent(share: number): string {
  return Number.isFinite(share) ? `${(share * 100).toFixed(1)} %` : 'not known yet';
}
