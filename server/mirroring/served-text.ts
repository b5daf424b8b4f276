import { Writable } from 'node:stream';
import { Problem } from '../problem.ts';
import type { ServedFile } from '../repository/repository.ts';

/** A small file's text, such as core metadata. Throws what `open` throws, and `payload-too-large`. */
export async function servedText(file: ServedFile, maxBytes = 16 * 1024 * 1024): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  const out = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      size += chunk.length;
      if (size <= maxBytes) pieces.push(Buffer.from(chunk));
      done(size <= maxBytes ? null : new Problem('payload-too-large', `${file.filename} is too large to be read.`));
    },
  });
  const failed = new Promise<never>((_resolve, reject) => out.once('error', reject));
  failed.catch(() => {}); // `send` may fail first
  const body = await file.open();
  try {
    await Promise.race([body.send(undefined, out), failed]);
  } finally {
    body.close();
    out.destroy();
  }
  if (size > maxBytes) await failed;
  return Buffer.concat(pieces).toString('utf8');
}
