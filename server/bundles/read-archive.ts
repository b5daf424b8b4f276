import type { Readable } from 'node:stream';
import { Readable as NodeReadable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import xz from 'xz-decompress';
import type { ContainedDistribution } from '../model/bundle.ts';
import { TarError } from '../tar-header.ts';
import { type TarMember, TarWalker } from '../tar-walker.ts';
import { withZipBytes, ZipError, type ZipMember } from '../zip-file.ts';
import { type ArchiveCaps, ArchiveError, checkMemberName } from './archive-error.ts';
import { ContainedDistributions, isDistributionMetadata, METADATA_HEAD_BYTES } from './contained.ts';
import type { GrowingFile } from './growing-file.ts';
import { gunzip } from './gunzip.ts';
import { zipInside } from './zip-prefix.ts';
import { cutAtFrames } from './zstd-frames.ts';

/** How an archive is packed. */
export type ArchiveKind = 'tar' | 'tar.gz' | 'tar.zst' | 'tar.xz' | 'zip';

const KINDS: readonly (readonly [RegExp, ArchiveKind])[] = [
  [/\.(?:tar\.gz|tgz)$/i, 'tar.gz'],
  [/\.(?:tar\.zst|tar\.zstd|tzst)$/i, 'tar.zst'],
  [/\.(?:tar\.xz|txz)$/i, 'tar.xz'],
  [/\.tar$/i, 'tar'],
  [/\.(?:zip|whl|pex|pyz|egg)$/i, 'zip'],
];

// zip-file.ts inflates a member whole: the largest METADATA that are known have some hundred kilobytes.
const MAX_ZIP_METADATA = 4 * 1024 * 1024;
// Each step is a trip to the thread pool: with 64 KiB those take a third of the time.
const OUTPUT_STEP = 512 * 1024;
// What comes out of zlib is memory beside the heap, which V8 looks after late: 90 MB of it instead of 45, and no sooner done.
const COLLECT_EVERY_BYTES = 16 * 1024 * 1024;

/** What kind of archive a file name tells of; `undefined` for one that is not looked into. */
export function archiveKind(filename: string): ArchiveKind | undefined {
  return KINDS.find(([pattern]) => pattern.test(filename))?.[1];
}

/** Is every byte of it to be decompressed? */
export function isPacked(archive: ArchiveKind): boolean {
  return archive !== 'tar' && archive !== 'zip';
}

/**
 * The distributions inside of an archive, whose metadata are read and nothing is unpacked to disk. Tar archives are read while
 * the file grows. Throws `ArchiveError`; errors of the file system as they are.
 */
export async function readArchive(
  file: GrowingFile,
  kind: ArchiveKind,
  caps: ArchiveCaps,
): Promise<readonly ContainedDistribution[]> {
  const found = new ContainedDistributions(caps.maxDistributions);
  if (kind === 'zip') {
    await file.whole();
    await readZip(file, caps, found);
  } else {
    await readTar(file, kind, caps, found);
  }
  return found.list();
}

async function readTar(
  file: GrowingFile,
  kind: Exclude<ArchiveKind, 'zip'>,
  caps: ArchiveCaps,
  found: ContainedDistributions,
): Promise<void> {
  let members = 0;
  const walker = new TarWalker((member) => {
    members += 1;
    if (members > caps.maxMembers) throw new ArchiveError(`it has more than ${caps.maxMembers} members`);
    checkMemberName(member.name);
    return isWanted(member) ? collector(member, found) : undefined;
  });
  let expanded = 0;
  let uncollected = 0;
  try {
    for await (const chunk of expandedBytes(file, kind)) {
      expanded += chunk.length;
      if (expanded > caps.maxExpandedBytes) {
        throw new ArchiveError(`it expands to more than ${caps.maxExpandedBytes} bytes`);
      }
      file.check();
      walker.write(chunk);
      uncollected += chunk.length;
      if (uncollected < COLLECT_EVERY_BYTES) continue;
      uncollected = 0;
      globalThis.gc?.({ type: 'minor', execution: 'sync' });
    }
    walker.end();
    if (expanded === 0) throw new ArchiveError('it is empty');
  } catch (error) {
    if (!(error instanceof TarError)) throw error;
    throw new ArchiveError(lowered(error.message), { cause: error });
  }
}

function isWanted({ name, type }: TarMember): boolean {
  return type === 'file' && isDistributionMetadata(name);
}

/** Gathers the beginning of a member and hands it over once there is enough. */
function collector({ name, size }: TarMember, found: ContainedDistributions): (chunk: Buffer) => void {
  const pieces: Buffer[] = [];
  let missing = Math.min(size, METADATA_HEAD_BYTES);
  if (missing === 0) found.add(name, Buffer.alloc(0));
  return (chunk) => {
    if (missing === 0) return;
    const piece = Buffer.from(chunk.subarray(0, missing));
    pieces.push(piece);
    missing -= piece.length;
    if (missing === 0) found.add(name, Buffer.concat(pieces));
  };
}

async function* expandedBytes(file: GrowingFile, kind: Exclude<ArchiveKind, 'zip'>): AsyncGenerator<Buffer> {
  if (kind === 'tar') {
    yield* file.chunks();
    return;
  }
  try {
    yield* DECOMPRESSORS[kind](file.chunks());
  } catch (error) {
    if (error instanceof ArchiveError || isFileError(error)) throw error;
    throw new ArchiveError(`it cannot be decompressed as ${kind}, or is cut short`, { cause: error });
  }
}

type Decompress = (packed: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;

const DECOMPRESSORS: Readonly<Record<'tar.gz' | 'tar.zst' | 'tar.xz', Decompress>> = {
  'tar.gz': gunzip,
  'tar.zst': (packed) => through(cutAtFrames(packed), unzstd),
  'tar.xz': (packed) => through(packed, unxz),
};

async function* through(
  packed: AsyncIterable<Buffer>,
  expand: (packed: Readable) => AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  // One piece at a time, none put together with the next.
  const source = NodeReadable.from(packed);
  try {
    yield* expand(source);
  } finally {
    source.destroy();
  }
}

function unzstd(packed: Readable): AsyncIterable<Buffer> {
  const expand = createZstdDecompress({ chunkSize: OUTPUT_STEP });
  packed.once('error', (error) => expand.destroy(error));
  return packed.pipe(expand);
}

async function* unxz(packed: Readable): AsyncGenerator<Buffer> {
  const source = NodeReadable.toWeb(packed) as ReadableStream<Uint8Array>;
  for await (const chunk of new xz.XzReadableStream(source)) {
    yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
}

async function readZip(file: GrowingFile, caps: ArchiveCaps, found: ContainedDistributions): Promise<void> {
  try {
    await withZipBytes(await zipInside(file.file), async (zip) => {
      const wanted: ZipMember[] = [];
      let expanded = 0;
      for await (const member of zip.members(caps.maxMembers)) {
        checkMemberName(member.name);
        expanded += member.size;
        if (expanded > caps.maxExpandedBytes) {
          throw new ArchiveError(`it expands to more than ${caps.maxExpandedBytes} bytes`);
        }
        if (isDistributionMetadata(member.name)) wanted.push(member);
        if (wanted.length > caps.maxDistributions) {
          throw new ArchiveError(`it holds more than ${caps.maxDistributions} distributions`);
        }
      }
      for (const member of wanted) {
        file.check();
        const content = await zip.content(member, MAX_ZIP_METADATA);
        found.add(member.name, content.subarray(0, METADATA_HEAD_BYTES));
      }
    });
  } catch (error) {
    if (!(error instanceof ZipError)) throw error;
    throw new ArchiveError(lowered(error.message), { cause: error });
  }
}

function isFileError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

/** A sentence of zip-file.ts as it stands after a colon. */
function lowered(sentence: string): string {
  return (sentence.charAt(0).toLowerCase() + sentence.slice(1)).replace(/\.$/, '');
}
