import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { BlobStore } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import { Spool } from '../../storage/spool.ts';
import { TarError } from '../tar-header.ts';
import { TarWalker } from '../tar-walker.ts';
import { withZip, ZipError } from '../zip-file.ts';

/** Small members of an archive, by their path below the top folder. */
export type Looked = ReadonlyMap<string, string>;

// Ours: a pyproject.toml of this size was written by nobody.
const MAX_MEMBER_BYTES = 1024 * 1024;
const MAX_MEMBERS = 200_000;
const MAX_EXPANDED_BYTES = 8 * 1024 ** 3;

/** Everything that was looked for has been found. */
class Enough extends Error {}

/**
 * The text of those of `paths` (below the top folder, or in an archive without one) that an sdist holds. `undefined`: it cannot be read,
 * or is of a kind that we do not read (only `.tar.gz`, `.tgz` and `.zip`).
 */
export async function lookInto(
  archive: { readonly digest: Digest; readonly size: number; readonly filename: string },
  paths: readonly string[],
  parts: { readonly blobs: BlobStore; readonly spoolDir: string },
): Promise<Looked | undefined> {
  const { digest, size, filename } = archive;
  try {
    if (/\.(?:tar\.gz|tgz)$/i.test(filename)) return await inTar(await parts.blobs.open(digest), paths);
    if (!/\.zip$/i.test(filename)) return undefined;
    const spool = await Spool.create(parts.spoolDir, { maxBytes: size });
    try {
      for await (const chunk of await parts.blobs.open(digest)) await spool.write(chunk as Buffer);
      const { path } = await spool.finish(digest);
      return await inZip(path, paths);
    } finally {
      await spool.discard();
    }
  } catch (error) {
    if (error instanceof TarError || error instanceof ZipError || isZlibError(error)) return undefined;
    throw error;
  }
}

async function inTar(compressed: Readable, paths: readonly string[]): Promise<Looked> {
  const found = new Map<string, string>();
  const gunzip = createGunzip();
  let expanded = 0;
  const walker = new TarWalker(({ name, type, size }) => {
    const path = belowTop(name, paths);
    if (path === undefined || type !== 'file' || size > MAX_MEMBER_BYTES) return undefined;
    const pieces: Buffer[] = [];
    let left = size;
    if (size === 0) found.set(path, '');
    return (piece) => {
      pieces.push(Buffer.from(piece));
      left -= piece.length;
      if (left > 0) return;
      found.set(path, Buffer.concat(pieces).toString('utf8'));
      if (found.size === paths.length) throw new Enough();
    };
  });
  compressed.on('error', (error) => gunzip.destroy(error));
  compressed.pipe(gunzip);
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      expanded += chunk.length;
      if (expanded > MAX_EXPANDED_BYTES) throw new TarError('The tar archive is too large to be looked into.');
      walker.write(chunk);
    }
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
  } finally {
    compressed.destroy();
    gunzip.destroy();
  }
  return found;
}

async function inZip(path: string, paths: readonly string[]): Promise<Looked> {
  return await withZip(path, async (zip) => {
    const found = new Map<string, string>();
    const members = new Map<string, Parameters<typeof zip.content>[0]>();
    for await (const member of zip.members(MAX_MEMBERS)) {
      const wanted = belowTop(member.name, paths);
      if (wanted !== undefined && member.size <= MAX_MEMBER_BYTES) members.set(wanted, member);
    }
    for (const [wanted, member] of members)
      found.set(wanted, (await zip.content(member, MAX_MEMBER_BYTES)).toString('utf8'));
    return found;
  });
}

/** The path that is looked for and that a member has below its top folder. */
function belowTop(name: string, paths: readonly string[]): string | undefined {
  const plain = name.replace(/^(?:\.\/)+/, '');
  const below = plain.slice(plain.indexOf('/') + 1);
  return paths.find((path) => path === below || path === plain);
}

function isZlibError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^(?:Z_|ERR_)/.test(String(error.code));
}
