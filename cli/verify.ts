import { Command } from 'commander';
import { Client, type ServerOptions, withServer } from './client.ts';
import { CommandFailure } from './failure.ts';
import { beginJob, detachJob, followJob } from './follow-job.ts';
import { bytes, plain, print, printJson } from './print.ts';

interface VerifyOptions extends ServerOptions {
  readonly detach?: true;
  readonly json?: true;
}

interface Verification {
  readonly checked: number;
  readonly bytes: number;
  readonly corrupt: number;
  readonly missing: number;
  readonly repaired: number;
}

const REPAIRS: Readonly<Record<string, string>> = {
  repaired: 'fetched again',
  forgotten: 'will be fetched by the next request',
  lost: 'nobody has it',
  left: 'left where it is; look at the disk',
};

/** `stormcellar verify`: reads every blob and compares it with its digest. Exit code 1 when something cannot be had again. */
export function verifyCommand(): Command {
  return withServer(new Command('verify'))
    .description('Read everything that is stored, compare it with its digest, and fetch again what is damaged.')
    .option('--detach', 'begin, do not wait for the end, and only print the id of the job')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExit code 1 when something is damaged that no upstream has.')
    .action(async (options: VerifyOptions) => {
      const client = new Client(options);
      if (options.detach) return await detachJob(client, '/admin/verify', options);
      const id = await beginJob(client, '/admin/verify');
      const job = await followJob(
        client,
        id,
        ({ counts }) => `verify: ${counts.checked ?? 0} blobs, ${bytes(counts.bytes ?? 0)}`,
      );
      const found = job.result as Verification | null;
      if (found === null) throw new CommandFailure(`The job ${plain(id)} tells no result.`);
      const lost = found.corrupt + found.missing - found.repaired;
      if (options.json) printJson({ ...found, damaged: job.files });
      else {
        print(
          `${found.checked} blobs read, ${bytes(found.bytes)}: ${found.corrupt} corrupt, ${found.missing} missing, ${found.repaired} of them mended`,
        );
        for (const { key, state, repair } of job.files)
          print(plain(`  ${key}  ${state}, ${REPAIRS[String(repair)] ?? repair}`));
      }
      if (lost > 0)
        throw new CommandFailure(`${lost} blobs are damaged and nobody has them: restore them from a backup.`);
    });
}
