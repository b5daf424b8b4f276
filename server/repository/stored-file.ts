import { Writable } from 'node:stream';
import type { BlobStore } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import type { FileBody, Origin, ServedFile } from './repository.ts';

/** A file whose bytes are in the blob store. */
export interface StoredParts {
  readonly filename: string;
  readonly contentType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly modifiedAt: number;
  readonly origin: Origin;
  /** What to do when the store has lost the bytes: another body, or a `Problem`. */
  readonly whenLost: () => Promise<FileBody>;
}

/** The served form of a stored file. */
export function storedFile(blobs: BlobStore, parts: StoredParts): ServedFile {
  const { filename, contentType, digest, size, modifiedAt, origin } = parts;
  return {
    filename,
    contentType,
    digest,
    size,
    modifiedAt,
    origin,
    locate: () => blobs.locate(digest, { filename, contentType }),
    open: async () => ((await blobs.stat(digest)) === undefined ? parts.whenLost() : blobBody(blobs, digest, size)),
    keep: async () => {
      if ((await blobs.stat(digest)) === undefined) await readThrough(await parts.whenLost());
    },
  };
}

/** Reads a body for what happens on the way: bytes that are pulled through are stored when the last of them is sent. */
async function readThrough(body: FileBody): Promise<void> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  try {
    await body.send(undefined, nowhere);
  } finally {
    body.close();
    nowhere.destroy();
  }
}

/** The body of a stored blob. */
export function blobBody(blobs: BlobStore, digest: Digest, size: number): FileBody {
  return {
    size,
    send: async (range, out) => {
      if (size > 0) await blobs.send(digest, range ?? { start: 0, end: size - 1 }, out);
    },
    close: () => {},
  };
}
