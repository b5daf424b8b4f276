import type { Spooled } from '../../storage/blob-store.ts';
import { giveStep, STEP_BYTES, takeShared } from '../../storage/buffer-pool.ts';
import type { Digest } from '../../storage/digest.ts';
import { DigestMismatchError } from '../../storage/errors.ts';
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
  /** What the sender says that the bytes are. */
  readonly expected?: Digest | undefined;
}

// Blocks that are hashed and written while the next is filled.
const AHEAD = 8;

/**
 * Takes in an archive: to a spool, hashed on the way, looked into while it arrives. Throws `digest-mismatch`,
 * `malformed-request` for an empty body, `storage-full`, what the spool throws, and what `body` fails with; then nothing is left.
 */
export async function receiveArchive(
  body: AsyncIterable<Uint8Array>,
  { reader, isAwaited, spoolDir, maxBytes, spare, filename, expected }: ReceiveOptions,
): Promise<ReceivedArchive> {
  const spool = await Spool.create(spoolDir, { maxBytes });
  const reading = await reader.begin(spool.path, { filename, isAwaited });
  try {
    await fill(spool, body, (size) => {
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

/**
 * Writes everything, in blocks that the thread which writes large files can be shown: a socket gives a quarter of one at most. The next are
 * taken from `body` while the last are written.
 */
async function fill(spool: Spool, body: AsyncIterable<Uint8Array>, onGrowth: (size: number) => void): Promise<void> {
  const underWay: Promise<void>[] = [];
  let block: Buffer | undefined;
  let filled = 0;
  const flush = (): void => {
    if (block === undefined) return;
    const bytes = block;
    const written = spool.write(bytes.subarray(0, filled)).then(() => onGrowth(spool.size));
    underWay.push(written.finally(() => giveStep(bytes)));
    underWay.at(-1)?.catch(() => {}); // awaited before there are too many, or at the end
    block = undefined;
    filled = 0;
  };
  try {
    for await (const chunk of body) {
      for (let at = 0; at < chunk.length; ) {
        if (block === undefined && underWay.length === AHEAD) await underWay.shift();
        block ??= takeShared(STEP_BYTES);
        const step = Math.min(block.length - filled, chunk.length - at);
        block.set(chunk.subarray(at, at + step), filled);
        filled += step;
        at += step;
        if (filled === block.length) flush();
      }
    }
    flush();
    await Promise.all(underWay);
  } finally {
    if (block !== undefined) giveStep(block);
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
