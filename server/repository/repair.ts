import { Writable } from 'node:stream';
import type { Digest } from '../../storage/digest.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { findFilesByDigest, forgetLostFile } from '../catalog/stored-files.ts';
import { parseProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import type { Proxied } from './proxied.ts';

/**
 * Makes good for the bytes of files that came through an upstream. `repaired`: fetched again; `forgotten`: upstream cannot be asked
 * at the moment, the next request will; `lost`: something else names the bytes too, and nobody can give them again.
 */
export async function repairFromUpstream(
  digest: Digest,
  parts: { readonly catalog: Catalog; readonly proxied: ReadonlyMap<string, Proxied>; readonly signal: AbortSignal },
): Promise<'repaired' | 'forgotten' | 'lost'> {
  const { catalog, proxied, signal } = parts;
  const files = await catalog.read(() => findFilesByDigest(digest));
  const ours = files.filter((file) => proxied.has(file.repository));
  if (ours.length === 0) return 'lost';
  let outcome: 'repaired' | 'forgotten' = 'repaired';
  for (const { repository, project, filename } of ours) {
    signal.throwIfAborted();
    await catalog.write(() => forgetLostFile(repository, project, filename));
    if (!(await fetched(proxied.get(repository), project, filename))) outcome = 'forgotten';
  }
  return ours.length < files.length ? 'lost' : outcome;
}

async function fetched(repository: Proxied | undefined, project: string, filename: string): Promise<boolean> {
  try {
    const file = await repository?.file(parseProjectName(project), filename, { offline: false });
    if (file === undefined) return false;
    const body = await file.open();
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
    await body.send(undefined, nowhere).finally(() => body.close());
    return true;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}
