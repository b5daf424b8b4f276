import { Writable } from 'node:stream';
import { Problem } from '../problem.ts';
import { MAX_METADATA_BYTES } from '../wheel-metadata.ts';
import type { FileBody, ServedFile } from './repository.ts';

/** The bytes of a small file, such as core metadata. Throws what `open` throws, and `payload-too-large`. */
export async function servedBytes(file: ServedFile, maxBytes: number = MAX_METADATA_BYTES): Promise<Buffer> {
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
  return Buffer.concat(pieces);
}

/** Reads a body for what happens on the way: bytes that are pulled through are stored when the last of them is sent. */
export async function readThrough(body: FileBody): Promise<void> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  try {
    await body.send(undefined, nowhere);
  } finally {
    body.close();
    nowhere.destroy();
  }
}
