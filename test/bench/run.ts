import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

/** What a command that has ended left. */
export interface Ran {
  readonly output: string;
  readonly seconds: number;
}

/** Runs a command to its end, on the processors of the load. Throws, with what it wrote, when it fails. */
export async function run(command: string, args: readonly string[]): Promise<Ran> {
  const begun = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [output, complaint, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${output}\n${complaint}`);
  return { output, seconds: (performance.now() - begun) / 1000 };
}

/** Fetches `url` with curl and throws the bytes away: seconds until the first byte and until the last. */
export async function download(url: string): Promise<{ readonly first: number; readonly whole: number }> {
  const format = '%{time_starttransfer} %{time_total}';
  const { output } = await run('curl', ['-sSf', '-o', '/dev/null', '-w', format, url]);
  const [first = 0, whole = 0] = output.split(' ').map(Number);
  return { first, whole };
}

/** Fetches `url` with that many clients at once, in one curl. Throws when one of them fails. Seconds until the last of them is done. */
export async function downloadAtOnce(url: string, clients: number): Promise<number> {
  return await downloadAllAtOnce(Array.from({ length: clients }, () => url));
}

/** The same, a URL for each client. */
export async function downloadAllAtOnce(urls: readonly string[]): Promise<number> {
  const all = urls.flatMap((url) => ['-o', '/dev/null', url]);
  const many = ['--parallel', '--parallel-immediate', '--parallel-max', String(urls.length)];
  return (await run('curl', ['-sSf', '--no-progress-meter', ...many, ...all])).seconds;
}
