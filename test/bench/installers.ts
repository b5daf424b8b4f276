import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { clientPath, runClient } from '../support/clients.ts';
import type { Bench } from './bench.ts';
import { CLOSURE_ROOT, CLOSURE_SIZE } from './content.ts';

/** Installs the whole closure from a server into an empty folder, without any cache: seconds. Throws unless all of it is there. */
export async function installClosure(bench: Bench, client: 'uv' | 'pip', base: string): Promise<number> {
  const cwd = bench.folder();
  const target = join(cwd, 'target');
  await mkdir(target, { recursive: true });
  const index = `${base}/simple/`;
  const args =
    client === 'uv'
      ? ['pip', 'install', '--no-cache', '--python', clientPath('python'), '--default-index', index]
      : ['install', '--no-input', '--no-cache-dir', '--no-compile', '--index-url', index];
  try {
    const begun = performance.now();
    const { status, output } = await runClient(client, [...args, '--target', target, CLOSURE_ROOT], { cwd });
    const seconds = (performance.now() - begun) / 1000;
    const installed = new Set(output.match(/closure-\d\d/g) ?? []).size;
    if (status !== 0 || installed < CLOSURE_SIZE) throw new Error(`${client} installed ${installed}:\n${output}`);
    return seconds;
  } finally {
    await rm(cwd, { recursive: true });
  }
}
