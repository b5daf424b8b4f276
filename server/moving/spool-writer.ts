import { Writable } from 'node:stream';
import type { Spool } from '../../storage/spool.ts';

/** A stream into a spool, at the spool's pace. */
export function spoolWriter(spool: Spool, onBytes: (count: number) => void = () => {}): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, callback) {
      onBytes(chunk.length);
      spool.write(chunk).then(() => callback(), callback);
    },
  });
}
