import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseCoreMetadata } from '../../server/model/core-metadata.ts';
import { extractWheelMetadata } from '../../server/wheel-metadata.ts';
import { skipOrFail } from './skip.ts';
import { type BuiltFile, sha256Of } from './wheel.ts';

const FOLDER = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'stormcellar-ci', 'wheels');

/** What to give a test as its `skip` when the wheels that people know are not at hand; `.ci/run` fetches them. */
export function skipWithoutWheels(): string | false {
  return skipOrFail(existsSync(FOLDER) ? undefined : 'no wheels (fetched by .ci/run)');
}

/** The real wheels of `.ci/wheels.txt` (Flask, gunicorn, setuptools and their like), as files for a fake upstream. */
export async function wheelhouse(): Promise<readonly BuiltFile[]> {
  const files: BuiltFile[] = [];
  for (const filename of await readdir(FOLDER)) {
    const path = join(FOLDER, filename);
    const bytes = await readFile(path);
    const metadata = await extractWheelMetadata(path, filename);
    const { name = '', version = '', requiresPython } = parseCoreMetadata(metadata);
    files.push({
      ...{ filename, bytes, sha256: sha256Of(bytes), metadata, name, version },
      ...(requiresPython === undefined ? {} : { requiresPython }),
    });
  }
  return files;
}
