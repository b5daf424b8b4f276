import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../bin/stormcellar.mjs', import.meta.url));

export interface CliOutcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs `stormcellar` from its sources, with nothing of this process's environment but `PATH`, beside a server in this process.
 * `fileBlocks`: no file that it writes gets larger, in blocks of 512 bytes, as on a disk that is full.
 */
export async function runCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  { fileBlocks }: { readonly fileBlocks?: number } = {},
): Promise<CliOutcome> {
  const { PATH = '', NODE_OPTIONS = '' } = process.env;
  const limit = fileBlocks === undefined ? '' : `ulimit -f ${fileBlocks} && `;
  const child = spawn('/bin/sh', ['-c', `${limit}exec "$@"`, 'sh', process.execPath, program, ...args], {
    env: { PATH, NODE_OPTIONS, STORMCELLAR_TEST_SOURCES: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { status, stdout, stderr };
}
