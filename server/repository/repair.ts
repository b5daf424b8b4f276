import type { Digest } from '../../storage/digest.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { findFilesByDigest, findMetadataByDigest, forgetLostFile } from '../catalog/stored-files.ts';
import { parseProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import type { Reading } from './build.ts';
import { readThrough } from './read-served.ts';
import type { Repository } from './repository.ts';

/**
 * Makes good for bytes that are lost: of files that came through an upstream from there, of core metadata out of their wheel.
 * `repaired`: they are stored again; `forgotten`: upstream cannot be asked at the moment, the next request will; `lost`: something
 * else names the bytes too, and nobody can give them again.
 */
export async function repairBlob(
  digest: Digest,
  parts: {
    readonly catalog: Catalog;
    readonly reading: Pick<Reading, 'hosted' | 'proxied'>;
    readonly signal: AbortSignal;
  },
): Promise<'repaired' | 'forgotten' | 'lost'> {
  const { catalog, reading, signal } = parts;
  const files = await catalog.read(() => findFilesByDigest(digest));
  if (files.length === 0) return await repairMetadata(digest, parts);
  const ours = files.filter((file) => reading.proxied.has(file.repository));
  if (ours.length === 0) return 'lost';
  let outcome: 'repaired' | 'forgotten' = 'repaired';
  for (const { repository, project, filename } of ours) {
    signal.throwIfAborted();
    await catalog.write(() => forgetLostFile(repository, project, filename));
    if (!(await isRead(reading.proxied.get(repository), project, filename))) outcome = 'forgotten';
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
    if (await isRead(from, project, `${filename}.metadata`)) return 'repaired';
  }
  return 'lost';
}

async function isRead(repository: Repository | undefined, project: string, filename: string): Promise<boolean> {
  try {
    const file = await repository?.file(parseProjectName(project), filename, { offline: false });
    if (file === undefined) return false;
    await readThrough(await file.open());
    return true;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}
