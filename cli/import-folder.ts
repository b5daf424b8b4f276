import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, sep } from 'node:path';
import { CommandFailure } from './failure.ts';
import { type Arrival, isDistribution } from './import-file.ts';

/** Where files are found, and what was passed over. */
export interface Found {
  readonly arrivals: AsyncIterable<Arrival>;
  /** Names of files that are no distributions; complete when `arrivals` has ended. */
  readonly skipped: readonly string[];
}

/** Every distribution below a folder: a wheelhouse, or the packages of pypiserver. The time of a file is when it was last changed. */
export async function fromFolder(folder: string): Promise<Found> {
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new CommandFailure(`${folder} is not a folder.`, 2);
  const skipped: string[] = [];
  async function* arrivals(): AsyncGenerator<Arrival> {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      if (!isDistribution(entry.name)) {
        skipped.push(path.slice(folder.length).replace(new RegExp(`^\\${sep}`), ''));
        continue;
      }
      const { mtime } = await stat(path);
      yield { filename: entry.name, uploadTime: mtime.toISOString(), fetch: async () => local(path) };
    }
  }
  return { arrivals: arrivals(), skipped };
}

interface DevpiExport {
  readonly indexes?: Readonly<
    Record<
      string,
      {
        readonly indexconfig?: { readonly type?: string };
        readonly files?: readonly {
          readonly type?: string;
          readonly relpath?: string;
          readonly entrymapping?: { readonly last_modified?: string; readonly hash_spec?: string };
        }[];
      }
    >
  >;
}

/** The release files of a `devpi-server --export` folder; of one index (`user/name`) when it is told. Times are those of devpi. */
export async function fromDevpiExport(folder: string, only: string | undefined): Promise<Found> {
  let text: string;
  try {
    text = await readFile(join(folder, 'dataindex.json'), 'utf8');
  } catch (cause) {
    throw new CommandFailure(`${folder} is no export of devpi: it has no dataindex.json.`, 2, { cause });
  }
  const { indexes = {} } = JSON.parse(text) as DevpiExport;
  if (only !== undefined && !Object.hasOwn(indexes, only)) {
    throw new CommandFailure(
      `The export has no index ${only}; it has ${Object.keys(indexes).join(', ') || 'none'}.`,
      2,
    );
  }
  const skipped: string[] = [];
  async function* arrivals(): AsyncGenerator<Arrival> {
    for (const [name, { files = [], indexconfig }] of Object.entries(indexes)) {
      if ((only !== undefined && name !== only) || indexconfig?.type === 'mirror') continue;
      for (const { type, relpath = '', entrymapping = {} } of files) {
        const filename = basename(relpath);
        if (type !== 'releasefile' || !isDistribution(filename) || relpath.split(/[\\/]/).includes('..')) {
          if (relpath !== '') skipped.push(relpath);
          continue;
        }
        const at = Date.parse(entrymapping.last_modified ?? '');
        const sha256 = /^sha256=([0-9a-f]{64})$/i.exec(entrymapping.hash_spec ?? '')?.[1];
        yield {
          filename,
          fetch: async () => local(join(folder, relpath)),
          ...(Number.isNaN(at) ? {} : { uploadTime: new Date(at).toISOString() }),
          ...(sha256 === undefined ? {} : { sha256: sha256.toLowerCase() }),
        };
      }
    }
  }
  return { arrivals: arrivals(), skipped };
}

function local(path: string): { readonly path: string; done(): Promise<void> } {
  return { path, done: async () => {} };
}
