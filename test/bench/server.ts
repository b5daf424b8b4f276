import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../support/free-port.ts';
import { ADMIN_TOKEN, testSettings } from '../support/test-config.ts';
import { SERVER_CPUS } from './machine.ts';
import { Program } from './program.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/stormcellar.mjs', import.meta.url));

export interface ServerOptions {
  /** For its data and its configuration. */
  readonly dir: string;
  /** Address of the upstream, ending in `/simple/`. Without one there are hosted projects alone. */
  readonly upstream?: string;
  /** More keys of that upstream. */
  readonly upstreamKeys?: Readonly<Record<string, unknown>>;
  /** More of the configuration, such as its engines. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Instead of the server's usual processor. */
  readonly cpus?: string;
}

/** Our server as it is shipped, built, with its log on. */
export interface BenchServer {
  readonly url: string;
  readonly program: Program;
  /** Milliseconds from the call of the program to its first answer. */
  readonly startedMs: number;
  /** An admin token. */
  readonly token: string;
}

/** Starts the server; its data stay when it is stopped. */
export async function startServer({ dir, upstream, upstreamKeys, config, cpus }: ServerOptions): Promise<BenchServer> {
  await mkdir(dir, { recursive: true });
  const port = await freePort();
  const settings = {
    ...testSettings(join(dir, 'data'), {
      ...(upstream === undefined ? {} : { upstream }),
      ...(upstreamKeys === undefined ? {} : { upstreamKeys }),
      // Not what tests need, but what users have.
      config: { bundles: {}, ...config },
    }),
    listen: { host: '127.0.0.1', port },
  };
  const file = join(dir, 'config.json');
  await writeFile(file, JSON.stringify(settings));
  const program = new Program(process.execPath, [PROGRAM, 'serve', '--config', file], {
    cpus: cpus ?? SERVER_CPUS,
    env: { STORMCELLAR_ADMIN_TOKEN: ADMIN_TOKEN },
  });
  const url = `http://127.0.0.1:${port}`;
  return { url, program, startedMs: await program.ready(`${url}/livez`), token: ADMIN_TOKEN };
}
