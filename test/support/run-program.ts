import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { makeTempDir } from './temp-dir.ts';
import { type TestConfigOptions, testSettings } from './test-config.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/stormcellar.mjs', import.meta.url));

/** `stormcellar serve` of which a test waits for the end. */
export interface ProgramRun {
  readonly pid: number;
  /** Exit code (`null`: a signal ended it), and what it wrote on standard error and on standard output. */
  readonly ended: Promise<{ readonly code: number | null; readonly complaint: string; readonly output: string }>;
}

/** Runs the program on a folder of its own; it is killed when the test ends. */
export async function runProgram(
  t: { after(fn: () => Promise<void>): void },
  options: TestConfigOptions = {},
): Promise<ProgramRun> {
  const { dir, remove } = await makeTempDir();
  const file = join(dir, 'stormcellar.json');
  await writeFile(file, JSON.stringify(testSettings(join(dir, 'data'), options)));
  const { PATH = '', NODE_OPTIONS = '' } = process.env;
  const child = spawn(process.execPath, [PROGRAM, 'serve', '--config', file], {
    env: { PATH, NODE_OPTIONS, STORMCELLAR_TEST_SOURCES: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  t.after(async () => {
    child.kill('SIGKILL');
    await closed;
    await remove();
  });
  const { pid } = child;
  if (pid === undefined) throw new Error('the program could not be started');
  const ended = Promise.all([closed, text(child.stderr), text(child.stdout)]).then(
    ([[code], complaint, output]: [unknown[], string, string]) => ({ code: code as number | null, complaint, output }),
  );
  return { pid, ended };
}
