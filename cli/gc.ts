import { Command } from 'commander';
import { Client, type ServerOptions, withServer } from './client.ts';
import { beginJob, detachJob, followJob } from './follow-job.ts';
import { bytes, print, printJson } from './print.ts';

interface GcOptions extends ServerOptions {
  readonly detach?: true;
  readonly json?: true;
}

interface Collection {
  readonly checked: number;
  readonly removed: number;
  readonly removedBytes: number;
  readonly adopted: number;
  readonly evicted: number;
  readonly evictedBytes: number;
  readonly cacheNote?: string;
  readonly strangersNote?: string;
}

/** `stormcellar gc`: lets files of upstreams go that are too many, and removes bytes that nothing has referred to for a day. */
export function gcCommand(): Command {
  return withServer(new Command('gc'))
    .description(
      'Let go of what is more than limits.cacheBytes, and remove bytes that nothing has referred to for a day. Servers do it daily of their own accord.',
    )
    .option('--detach', 'begin, do not wait for the end, and only print the id of the job')
    .option('--json', 'print as JSON')
    .action(async (options: GcOptions) => {
      const client = new Client(options);
      if (options.detach) return await detachJob(client, '/admin/gc', options);
      const id = await beginJob(client, '/admin/gc');
      const job = await followJob(client, id, ({ counts }) =>
        counts.checked === undefined
          ? `gc: ${counts.evicted ?? 0} files let go`
          : `gc: ${counts.checked} blobs looked at`,
      );
      if (options.json) return printJson(job.result);
      const result = job.result as unknown as Collection;
      const { checked, removed, removedBytes, adopted, evicted, evictedBytes, cacheNote, strangersNote } = result;
      if (evicted > 0)
        print(
          `${evicted === 1 ? '1 file of an upstream' : `${evicted} files of upstreams`} let go (${bytes(evictedBytes)})`,
        );
      if (cacheNote !== undefined) print(cacheNote);
      print(`${checked} blobs looked at, ${removed} removed (${bytes(removedBytes)})`);
      if (strangersNote !== undefined) print(strangersNote);
      if (adopted > 0)
        print(`${adopted} were found without a row; they go when nothing has referred to them for a day`);
    });
}
