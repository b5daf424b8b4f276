import type { Spooled } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import { DigestMismatchError } from '../../storage/errors.ts';
import { Spool } from '../../storage/spool.ts';
import type { ArchiveContents } from '../model/bundle.ts';
import { Problem } from '../problem.ts';
import type { ArchiveReader } from './archive-reader.ts';

/** An archive that has arrived whole and is not stored yet. Whoever has it stores its file or calls `discard`. */
export interface ReceivedArchive {
  readonly spooled: Spooled;
  readonly contents: ArchiveContents;
  discard(): Promise<void>;
}

export interface ReceiveOptions {
  readonly reader: ArchiveReader;
  readonly spoolDir: string;
  readonly maxBytes: number;
  /** Tells what kind of archive it is. */
  readonly filename: string;
  /** What the sender says that the bytes are. */
  readonly expected?: Digest | undefined;
}

// Bytes that may wait to be written while more arrive.
const IN_FLIGHT_BYTES = 4 * 1024 * 1024;

/**
 * Takes in an archive: to a spool, hashed on the way, looked into while it arrives. Throws `digest-mismatch`,
 * `malformed-request` for an empty body, what the spool throws, and what `body` fails with; then nothing is left.
 */
export async function receiveArchive(
  body: AsyncIterable<Uint8Array>,
  { reader, spoolDir, maxBytes, filename, expected }: ReceiveOptions,
): Promise<ReceivedArchive> {
  const spool = await Spool.create(spoolDir, { maxBytes });
  const reading = reader.begin(spool.path, filename);
  try {
    await fill(spool, body, (size) => reading.grown(size));
    if (spool.size === 0) throw new Problem('malformed-request', 'The body is empty.');
    const contents = reading.finished(spool.size);
    const spooled = await spool.finish(expected);
    return { spooled, contents: await contents, discard: () => spool.discard() };
  } catch (error) {
    reading.abandon();
    await spool.discard();
    throw translated(error);
  }
}

/** Writes everything; the next chunks are taken from `body` while the last ones are hashed and written. */
async function fill(spool: Spool, body: AsyncIterable<Uint8Array>, onGrowth: (size: number) => void): Promise<void> {
  let written: Promise<void> = Promise.resolve();
  let waiting = 0;
  for await (const chunk of body) {
    waiting += chunk.length;
    written = spool.write(chunk).then(() => {
      waiting -= chunk.length;
      onGrowth(spool.size);
    });
    written.catch(() => {}); // awaited below, or at the end
    if (waiting > IN_FLIGHT_BYTES) await written;
  }
  await written;
}

function translated(error: unknown): unknown {
  if (!(error instanceof DigestMismatchError)) return error;
  return new Problem(
    'digest-mismatch',
    `The bytes have sha256 ${error.actual}, not ${error.expected} as announced; nothing was stored.`,
    { members: { sha256: error.actual }, cause: error },
  );
}
