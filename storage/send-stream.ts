import type { Readable, Writable } from 'node:stream';
import { drained } from './drained.ts';
import type { Sent } from './send-bytes.ts';

/**
 * Writes what `stream` yields to `out` at the pace of `out`, does not end it, and destroys `stream` when it is done or `out` has
 * gone. `failure` is the stream's; a failure of `out` itself is `closed`.
 */
export async function sendStream(stream: Readable, out: Writable): Promise<Sent & { readonly failure?: unknown }> {
  let sent = 0;
  const leave = (): void => void stream.destroy();
  out.on('close', leave).on('error', leave);
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      if (out.destroyed) break;
      sent += chunk.length;
      if (!out.write(chunk)) await drained(out);
    }
    return { sent, closed: out.destroyed };
  } catch (failure) {
    return out.destroyed ? { sent, closed: true } : { sent, closed: false, failure };
  } finally {
    leave();
    out.off('close', leave).off('error', leave);
  }
}
