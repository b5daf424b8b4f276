import { Gunzip, type ZlibOptions } from 'minizlib';
import { othersTurn } from '../others-turn.ts';

// What is packed best comes out a thousand times as large: so much more than 32 MiB is never held at once.
const STEP_BYTES = 32 * 1024;
// Of a bomb, what `packed` gives at a time becomes half a gigabyte: others have their turns by what comes out.
const TURN_BYTES = 4 * 1024 * 1024;
// Its types do not tell of it. The end of a block that one step did not fill is used by the next.
const OPTIONS: ZlibOptions & { readonly chunkSize: number } = { chunkSize: 512 * 1024 };

/**
 * Decompresses a gzip stream (RFC 1952, members one after the other) in this thread. Meant for a thread of its own, in which it gives way to
 * others after every few megabytes. Throws an error of zlib's code (`Z_DATA_ERROR`, `Z_BUF_ERROR`) for what is damaged or cut short.
 */
export async function* gunzip(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const stream = new Gunzip(OPTIONS);
  let failure: unknown;
  let pieces: Buffer[] = [];
  let expanded = 0;
  stream.on('error', (error) => {
    failure ??= error;
  });
  stream.on('data', (piece: Buffer) => pieces.push(piece));
  const taken = (): readonly Buffer[] => {
    if (failure !== undefined) throw failure;
    const these = pieces;
    pieces = [];
    return these;
  };
  try {
    for await (const chunk of packed) {
      for (let at = 0; at < chunk.length; at += STEP_BYTES) {
        stream.write(chunk.subarray(at, at + STEP_BYTES));
        for (const piece of taken()) {
          expanded += piece.length;
          yield piece;
        }
        if (expanded < TURN_BYTES) continue;
        expanded = 0;
        // Not sooner: then each of those that take turns would hold what a step of it became.
        await othersTurn();
      }
    }
    stream.end();
    yield* taken();
  } finally {
    stream.close();
  }
}
