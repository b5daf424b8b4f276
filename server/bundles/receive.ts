import type { Spooled } from '../../storage/blob-store.ts';
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

// A socket gives 64 KiB at most; writing them in larger blocks saves a trip to the disk's threads for each.
const BLOCK_BYTES = 1024 * 1024;
// One is filled while others are hashed and written.
const BLOCKS = 3;

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

/** Writes everything, in blocks whose memory is used again; the next are taken from `body` while the last are written. */
async function fill(spool: Spool, body: AsyncIterable<Uint8Array>, onGrowth: (size: number) => void): Promise<void> {
  const blocks: { readonly bytes: Buffer; written: Promise<void> }[] = [];
  let turn = 0;
  let filled = 0;
  const flush = (): void => {
    const block = blocks[turn];
    if (block === undefined || filled === 0) return;
    block.written = spool.write(block.bytes.subarray(0, filled)).then(() => onGrowth(spool.size));
    block.written.catch(() => {}); // awaited before the block is used again, or at the end
    turn = (turn + 1) % BLOCKS;
    filled = 0;
  };
  for await (const chunk of body) {
    for (let at = 0; at < chunk.length; ) {
      const block = blocks[turn] ?? { bytes: Buffer.allocUnsafeSlow(BLOCK_BYTES), written: Promise.resolve() };
      blocks[turn] = block;
      if (filled === 0) await block.written;
      const step = Math.min(BLOCK_BYTES - filled, chunk.length - at);
      block.bytes.set(chunk.subarray(at, at + step), filled);
      filled += step;
      at += step;
      if (filled === BLOCK_BYTES) flush();
    }
  }
  flush();
  await Promise.all(blocks.map(({ written }) => written));
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
