import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';

/** The files that a server on this folder is writing, or has left. */
export async function spoolsOf({ dataDir }: { readonly dataDir: string }): Promise<string[]> {
  const paths = await readdir(join(dataDir, 'spool'), { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return paths.map((path) => basename(path)).filter((name) => name.endsWith('.spool'));
}
