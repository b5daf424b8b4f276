import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { nameFromFile } from './bundle-name.ts';
import { CommandFailure } from './failure.ts';

/** A file that is to move in. */
export interface Arrival {
  readonly path: string;
  readonly filename: string;
  /** RFC 3339, when it is known. */
  readonly uploadTime?: string;
  /** Lower-case hex, when whoever had it before tells. */
  readonly sha256?: string;
  /** When more than the file's name tells it. */
  readonly project?: string;
}

/** What there is, and what was passed over. */
export interface Found {
  readonly arrivals: readonly Arrival[];
  /** Names of files that are no distributions. */
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
  const arrivals: Arrival[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    if (isDistribution(entry.name)) {
      const { mtime } = await stat(path);
      arrivals.push({ path, filename: entry.name, uploadTime: mtime.toISOString() });
    } else skipped.push(relative(folder, path));
  }
  // In one order on every machine: of two files with one name the same one is taken.
  return { arrivals: arrivals.sort((a, b) => (a.path < b.path ? -1 : 1)), skipped: skipped.sort() };
}

/** The distributions that are taken; eggs, installers and signatures are left where they are. */
function isDistribution(filename: string): boolean {
  const { app, version } = nameFromFile(filename);
  const isNamed = app !== undefined && version !== undefined;
  return isNamed && /\.(?:whl|tar\.gz|tgz|zip)$/i.test(filename) && !filename.startsWith('.');
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
          readonly projectname?: string;
          readonly entrymapping?: {
            readonly last_modified?: string;
            readonly hash_spec?: string;
            readonly hashes?: { readonly sha256?: string };
          };
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
  const arrivals: Arrival[] = [];
  for (const [name, { files = [], indexconfig }] of Object.entries(indexes)) {
    if ((only !== undefined && name !== only) || indexconfig?.type === 'mirror') continue;
    for (const { type, relpath = '', projectname, entrymapping = {} } of files) {
      const filename = basename(relpath);
      if (type !== 'releasefile' || !isDistribution(filename) || relpath.split(/[\\/]/).includes('..')) {
        if (relpath !== '') skipped.push(relpath);
        continue;
      }
      const at = Date.parse(entrymapping.last_modified ?? '');
      const told = entrymapping.hashes?.sha256 ?? /^sha256=(.*)$/i.exec(entrymapping.hash_spec ?? '')?.[1] ?? '';
      arrivals.push({
        path: join(folder, relpath),
        filename,
        ...(Number.isNaN(at) ? {} : { uploadTime: new Date(at).toISOString() }),
        ...(/^[0-9a-f]{64}$/i.test(told) ? { sha256: told.toLowerCase() } : {}),
        ...(projectname === undefined ? {} : { project: projectname }),
      });
    }
  }
  return { arrivals, skipped };
}
