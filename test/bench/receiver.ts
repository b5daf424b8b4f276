import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../support/free-port.ts';
import type { Bench } from './bench.ts';
import { SERVER_CPUS } from './machine.ts';
import { Program } from './program.ts';
import { run } from './run.ts';

/** The least that receiving a file costs: starts the server of `plain-put.ts`; answers what PUTs a file to it and tells the seconds. */
export async function startReceiver(bench: Bench, cpus = SERVER_CPUS): Promise<(path: string) => Promise<number>> {
  const port = await freePort();
  const script = fileURLToPath(new URL('./plain-put.ts', import.meta.url));
  const program = new Program(process.execPath, [script, String(port), `${bench.folder()}.received`], {
    cpus,
  });
  bench.stopLater(() => program.stop());
  const url = `http://127.0.0.1:${port}/`;
  await program.ready(url);
  return async (path) => (await run('curl', ['-sSf', '-T', path, join(url, 'file')])).seconds;
}
