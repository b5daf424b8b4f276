import type { BegunBlob, BlobStat, BlobStore, ByteRange } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import { BlobNotFoundError, StorageUnavailableError } from '../../storage/errors.ts';
import { readThrough } from './read-served.ts';
import type { FileBody, Origin, ServedFile } from './repository.ts';

/** A file whose bytes are in the blob store. */
export interface StoredParts {
  readonly filename: string;
  readonly contentType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly modifiedAt?: number;
  readonly origin: Origin;
  /** What to do when the store has lost the bytes: another body, or a `Problem`. */
  readonly whenLost: () => Promise<FileBody>;
  /** What to do while the store does not answer: another body, or `error` again. Absent: nothing can be done. */
  readonly whenAway?: (error: StorageUnavailableError) => Promise<FileBody>;
}

/** The served form of a stored file. */
export function storedFile(blobs: BlobStore, parts: StoredParts): ServedFile {
  const { filename, contentType, digest, size, origin } = parts;
  return {
    filename,
    contentType,
    digest,
    size,
    origin,
    ...(parts.modifiedAt === undefined ? {} : { modifiedAt: parts.modifiedAt }),
    locate: () => blobs.locate(digest, { filename, contentType }),
    open: async (range) => {
      try {
        return await storedBody(blobs, { digest, size }, range);
      } catch (error) {
        if (error instanceof BlobNotFoundError) return parts.whenLost();
        if (error instanceof StorageUnavailableError && parts.whenAway !== undefined) return parts.whenAway(error);
        throw error;
      }
    },
    keep: async () => {
      if ((await blobs.stat(digest)) === undefined) await readThrough(await parts.whenLost());
    },
  };
}

/** The body of a stored blob: of `expected`, the range that will be asked for, the store has begun to send. Throws what the store throws. */
export async function storedBody(blobs: BlobStore, blob: BlobStat, expected?: ByteRange): Promise<FileBody> {
  const { digest, size } = blob;
  const whole = { start: 0, end: size - 1 };
  const first = expected ?? whole;
  let begun: BegunBlob | undefined = await blobs.begin(blob, first);
  const close = (): void => {
    begun?.close();
    begun = undefined;
  };
  return {
    size,
    send: async (range = whole, out) => {
      const isExpected = range.start === first.start && range.end === first.end;
      if (begun === undefined || !isExpected) {
        close();
        return await blobs.send(digest, range, out);
      }
      const { send } = begun;
      begun = undefined;
      await send(out);
    },
    close,
  };
}

/** The body of a few bytes that are at hand. */
export function bytesBody(bytes: Buffer): FileBody {
  return {
    size: bytes.length,
    send: async (range, out) => {
      out.write(range === undefined ? bytes : bytes.subarray(range.start, range.end + 1));
    },
    close: () => {},
  };
}
