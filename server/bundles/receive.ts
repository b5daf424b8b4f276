import type { Spooled } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import { DigestMismatchError } from '../../storage/errors.ts';
import { fillSpool } from '../../storage/fill-spool.ts';
import { Spool } from '../../storage/spool.ts';
import { Problem } from '../problem.ts';
import type { ArchiveReader } from './archive-reader.ts';
import { type ContentsUnderWay, contentsUnderWay } from './readings.ts';

/** An archive that has arrived whole and is not stored yet. Whoever has it stores its file or calls `discard`. */
export interface ReceivedArchive {
  readonly spooled: Spooled;
  /** What is inside, which goes on being read whatever becomes of the file. */
  readonly inside: ContentsUnderWay;
  discard(): Promise<void>;
}

export interface ReceiveOptions {
  readonly reader: ArchiveReader;
  /** Somebody will wait for the contents before anything else happens. */
  readonly isAwaited: boolean;
  readonly spoolDir: string;
  readonly maxBytes: number;
  /** Room that is left for it, in bytes. */
  readonly spare: number;
  /** Tells what kind of archive it is. */
  readonly filename: string;
  /** Bytes that are announced; 0 or absent: nobody said. */
  readonly length?: number | undefined;
  /** What the sender says that the bytes are. */
  readonly expected?: Digest | undefined;
}

/**
 * Takes in an archive: to a spool, hashed on the way, looked into while it arrives. Throws `digest-mismatch`,
 * `malformed-request` for an empty body, `storage-full`, what the spool throws, and what `body` fails with; then nothing is left.
 */
export async function receiveArchive(
  body: AsyncIterable<Uint8Array>,
  { reader, isAwaited, spoolDir, maxBytes, spare, filename, length, expected }: ReceiveOptions,
): Promise<ReceivedArchive> {
  const spool = await Spool.create(spoolDir, { maxBytes });
  const reading = await reader.begin(spool.path, { filename, isAwaited, length });
  try {
    await fillSpool(spool, body, (size) => {
      // The length need not have been announced.
      if (size > spare) throw noRoom();
      reading.grown(size);
    });
    if (spool.size === 0) throw new Problem('malformed-request', 'The body is empty.');
    const contents = reading.finished(spool.size);
    const spooled = await spool.finish(expected);
    return { spooled, inside: contentsUnderWay(reading, contents), discard: () => spool.discard() };
  } catch (error) {
    reading.abandon();
    await spool.discard();
    throw translated(error);
  }
}

/** There is not enough room. */
export function noRoom(): Problem {
  return new Problem('storage-full', 'There is no room left for this archive; nothing was changed.');
}

function translated(error: unknown): unknown {
  if (!(error instanceof DigestMismatchError)) return error;
  return new Problem(
    'digest-mismatch',
    `The bytes have sha256 ${error.actual}, not ${error.expected} as announced; nothing was stored.`,
    { members: { sha256: error.actual }, cause: error },
  );
}
