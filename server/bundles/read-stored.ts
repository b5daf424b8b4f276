import { PassThrough } from 'node:stream';
import type { BlobStore } from '../../storage/blob-store.ts';
import { BlobNotFoundError } from '../../storage/errors.ts';
import { fillContents } from '../catalog/bundle-contents.ts';
import { findVersion } from '../catalog/bundles.ts';
import type { Catalog } from '../catalog/catalog.ts';
import {
  type ArchiveContents,
  areBeingRead,
  type BundleVersion,
  parseAppName,
  parseBundleVersionText,
} from '../model/bundle.ts';
import { Problem } from '../problem.ts';
import type { ArchiveReader } from './archive-reader.ts';
import type { Readings } from './readings.ts';
import { receiveArchive } from './receive.ts';

export interface StoredReadingParts {
  readonly catalog: Catalog;
  readonly blobs: Pick<BlobStore, 'send' | 'spareBytes'>;
  readonly reader: ArchiveReader;
  readonly readings: Readings;
  /** Folder for the copy that is read. */
  readonly spoolDir: string;
}

/** What became of an archive that was to be read: nothing, when the version had gone or its contents were known. */
export interface StoredReading {
  readonly outcome: 'read' | 'unreadable' | 'nothing to do';
}

/**
 * Looks into a version's archive as it is stored and writes what it finds, if nobody has done so. May die anywhere and be run
 * again. Throws the reason of `signal` when that aborts, and what the store and the spool throw.
 */
export async function readStored(
  parts: StoredReadingParts,
  { app, version: number }: { readonly app: string; readonly version: string },
  signal: AbortSignal,
): Promise<StoredReading> {
  const { catalog, readings } = parts;
  const find = () => catalog.read(() => findVersion(parseAppName(app), parseBundleVersionText(number)));
  let version = await find();
  if (version !== undefined && (await readings.settled([version]))) version = await find();
  signal.throwIfAborted();
  if (version === undefined || !areBeingRead(version.contents)) return { outcome: 'nothing to do' };
  const contents = await contentsOf(parts, version, signal);
  signal.throwIfAborted();
  // The reader was closed, or had no time: whoever runs this next reads on.
  if (areBeingRead(contents)) throw new Error('the archive was not read');
  const found = version;
  if (!(await catalog.write(() => fillContents(found, contents)))) return { outcome: 'nothing to do' };
  return { outcome: contents.distributions === null ? 'unreadable' : 'read' };
}

async function contentsOf(
  { blobs, reader, spoolDir }: StoredReadingParts,
  { digest, size, filename }: BundleVersion,
  signal: AbortSignal,
): Promise<ArchiveContents> {
  const spare = await blobs.spareBytes();
  const bytes = new PassThrough();
  bytes.on('error', () => {}); // whoever reads from it is told
  const ended = new AbortController();
  const onStop = (stop: () => void) => signal.addEventListener('abort', stop, { once: true, signal: ended.signal });
  onStop(() => bytes.destroy(signal.reason as Error));
  // Goes on where an answer of the store breaks off, which a stream of it does not.
  const sending = blobs.send(digest, { start: 0, end: size - 1 }, bytes).then(
    () => bytes.end(),
    (error) => bytes.destroy(error),
  );
  try {
    const options = { reader, isAwaited: true, spoolDir, maxBytes: size, spare, filename, expected: digest };
    const archive = await receiveArchive(bytes, options);
    onStop(() => archive.inside.abandon());
    try {
      return await archive.inside.contents;
    } finally {
      await archive.discard();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof BlobNotFoundError) return unreadable('its bytes are missing in the storage');
    if (error instanceof Problem && error.slug === 'digest-mismatch') return unreadable('its bytes are damaged');
    throw error;
  } finally {
    ended.abort();
    bytes.destroy();
    await sending;
  }
}

function unreadable(reason: string): ArchiveContents {
  return { distributions: null, note: `unreadable: ${reason}` };
}
