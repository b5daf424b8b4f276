import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BLOB_FOLDER } from './blob-path.ts';
import type { BlobStat } from './blob-store.ts';
import { type Digest, parseDigest } from './digest.ts';
import { codeOf } from './file-errors.ts';

/** The blobs below `root` in ascending order, after `after`; holds the names of one folder at a time. Throws the system's error. */
export async function* listBlobs(root: string, after: Digest | undefined): AsyncGenerator<BlobStat> {
  const top = join(root, BLOB_FOLDER);
  const first = after?.slice(0, 2) ?? '';
  const second = after?.slice(2, 4) ?? '';
  for (const one of await prefixes(top)) {
    if (one < first) continue;
    for (const two of await prefixes(join(top, one))) {
      if (one === first && two < second) continue;
      yield* listFolder(join(top, one, two), one + two, after ?? '');
    }
  }
}

async function* listFolder(folder: string, prefix: string, after: string): AsyncGenerator<BlobStat> {
  const names = (await entries(folder)).filter((entry) => entry.isFile()).map((entry) => entry.name);
  for (const name of names.sort()) {
    const digest = parseDigest(name);
    if (digest !== name || !name.startsWith(prefix) || name <= after) continue;
    const stat = await lstat(join(folder, name)).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error;
      return undefined; // deleted meanwhile
    });
    if (stat) yield { digest, size: stat.size };
  }
}

async function prefixes(folder: string): Promise<string[]> {
  const folders = (await entries(folder)).filter((entry) => entry.isDirectory() && /^[0-9a-f]{2}$/.test(entry.name));
  return folders.map((entry) => entry.name).sort();
}

async function entries(folder: string): Promise<Dirent[]> {
  return await readdir(folder, { withFileTypes: true });
}
