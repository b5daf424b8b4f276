import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Spool } from './spool.ts';

/**
 * Has `send` write to a stream that ends in the spool, at the spool's pace, and resolves once all of it is in there: who sends is done when the
 * stream has taken the last piece, which may still wait for its turn then. Calls `onBytes` before each piece is written. Throws what `send`
 * and `Spool.write` throw.
 */
export async function sendToSpool(
  spool: Spool,
  send: (out: Writable) => Promise<void>,
  onBytes: (count: number) => void = () => {},
): Promise<void> {
  const out = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      onBytes(chunk.length);
      spool.write(chunk).then(() => callback(), callback);
    },
  });
  // Listens from now on: who sends does so only while it writes, and an error that nobody hears ends the process.
  const done = finished(out);
  done.catch(() => {}); // `send` may fail first
  try {
    await send(out);
  } catch (error) {
    out.destroy();
    throw error;
  }
  out.end();
  await done;
}
