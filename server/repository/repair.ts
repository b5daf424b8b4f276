import type { Digest } from '../../storage/digest.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { findFilesByDigest, findMetadataByDigest, forgetLostFile } from '../catalog/stored-files.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import type { Reading } from './build.ts';
import { readThrough } from './read-served.ts';
import type { Repository, View } from './repository.ts';

/**
 * Makes good for bytes that are lost: of files that came through an upstream from there, of core metadata out of their wheel.
 * `repaired`: they are stored again; `forgotten`: upstream cannot be asked at the moment, the next request will; `lost`: something
 * else names the bytes too, and nobody can give them again. Of a name that has become private no upstream is asked.
 */
export async function repairBlob(
  digest: Digest,
  parts: {
    readonly catalog: Catalog;
    readonly reading: Pick<Reading, 'hosted' | 'proxied' | 'indexes'>;
    readonly signal: AbortSignal;
  },
): Promise<'repaired' | 'forgotten' | 'lost'> {
  const { catalog, reading, signal } = parts;
  const files = await catalog.read(() => findFilesByDigest(digest));
  if (files.length === 0) return await repairMetadata(digest, parts);
  const ours = files.filter(
    ({ repository, project }) => reading.proxied.has(repository) && !isPrivateOf(reading, repository, project),
  );
  if (ours.length === 0) return 'lost';
  let outcome: 'repaired' | 'forgotten' = 'repaired';
  for (const { repository, project, filename } of ours) {
    signal.throwIfAborted();
    await catalog.write(() => forgetLostFile(repository, project, filename));
    if (!(await isRead(reading.proxied.get(repository), { project, filename, view: { offline: false } })))
      outcome = 'forgotten';
  }
  return ours.length < files.length ? 'lost' : outcome;
}

/** Whoever serves core metadata stores them again when they turn out to be lost; so it is enough to ask for them. */
async function repairMetadata(
  digest: Digest,
  { catalog, reading, signal }: Parameters<typeof repairBlob>[1],
): Promise<'repaired' | 'lost'> {
  for (const { repository, project, filename } of await catalog.read(() => findMetadataByDigest(digest))) {
    signal.throwIfAborted();
    const from = reading.hosted.get(repository) ?? reading.proxied.get(repository);
    const view = { offline: isPrivateOf(reading, repository, project) };
    if (await isRead(from, { project, filename: `${filename}.metadata`, view })) return 'repaired';
  }
  return 'lost';
}

/** Do all indexes that have the repository count the name among their private ones? */
function isPrivateOf({ indexes }: Pick<Reading, 'indexes'>, repository: string, project: ProjectName): boolean {
  const having = [...indexes.values()].filter(({ sources }) =>
    sources.some((source) => source.repository.name === repository),
  );
  return having.length > 0 && having.every(({ privateNames }) => privateNames.has(project));
}

async function isRead(
  repository: Repository | undefined,
  asked: { readonly project: ProjectName; readonly filename: string; readonly view: View },
): Promise<boolean> {
  try {
    const file = await repository?.file(asked.project, asked.filename, asked.view);
    if (file === undefined) return false;
    await readThrough(await file.open());
    return true;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}
