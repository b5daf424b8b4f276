import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { Spooled } from './blob-store.ts';
import type { ByteBudget } from './byte-budget.ts';
import { Descriptor } from './descriptor.ts';
import type { OnStep } from './durable-folder.ts';
import { StorageUnavailableError } from './errors.ts';
import { fileError } from './file-errors.ts';

/** Size of a part, and the largest blob that goes in one request. */
export const PART_BYTES = 8 * 1024 * 1024;
/** S3's limit. */
const MOST_PARTS = 10_000;
/** Parts of one blob under way at once. */
const AT_ONCE = 4;

/** Where an object goes, and by what means. */
export interface Upload {
  readonly client: S3Client;
  readonly bucket: string;
  readonly key: string;
  readonly budget: ByteBudget;
  readonly onStep: OnStep;
}

/**
 * Writes a small blob in one request. With `onlyIfAbsent`, the store may refuse an existing key with 412; not every store keeps
 * conditions, so it saves work and proves nothing.
 */
export async function uploadWhole(blob: Spooled, upload: Upload, options: { onlyIfAbsent: boolean }): Promise<void> {
  const { client, bucket, key, budget } = upload;
  const file = await openSpool(blob);
  const bytes = await budget.take(blob.size);
  try {
    await readFully(file, bytes, 0);
    verify(blob, createHash('sha256').update(bytes).digest('hex'));
    upload.onStep('put object');
    await client.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        Body: bytes,
        ContentLength: bytes.length,
        ContentType: 'application/octet-stream',
        ChecksumSHA256: Buffer.from(blob.digest, 'hex').toString('base64'),
        ...(options.onlyIfAbsent ? { IfNoneMatch: '*' } : {}),
      }),
    );
  } finally {
    budget.give(bytes);
    file.release();
  }
}

/** Writes a blob in parts, each with its checksum, and completes it only when all bytes read were those of the digest. */
export async function uploadInParts(blob: Spooled, upload: Upload): Promise<void> {
  const target = { Bucket: upload.bucket, Key: upload.key };
  const file = await openSpool(blob);
  try {
    upload.onStep('create upload');
    const created = await upload.client.send(
      new CreateMultipartUploadCommand({
        ...target,
        ContentType: 'application/octet-stream',
        ChecksumAlgorithm: 'CRC32',
      }),
    );
    const id = { ...target, UploadId: created.UploadId };
    try {
      const parts = await sendParts(blob, file, upload, id.UploadId);
      upload.onStep('complete upload');
      await upload.client.send(new CompleteMultipartUploadCommand({ ...id, MultipartUpload: { Parts: parts } }));
    } catch (error) {
      // What cannot be aborted now is swept a day later; the first failure is the one to tell.
      await upload.client.send(new AbortMultipartUploadCommand(id)).catch(() => {});
      throw error;
    }
  } finally {
    file.release();
  }
}

async function sendParts(
  blob: Spooled,
  file: Descriptor,
  upload: Upload,
  uploadId: string | undefined,
): Promise<CompletedPart[]> {
  const partBytes = Math.max(PART_BYTES, Math.ceil(blob.size / MOST_PARTS));
  const hash = createHash('sha256');
  const parts: CompletedPart[] = [];
  const underWay = new Set<Promise<void>>();
  let failure: unknown;
  for (let start = 0; start < blob.size && failure === undefined; start += partBytes) {
    const bytes = await upload.budget.take(Math.min(partBytes, blob.size - start));
    const number = start / partBytes + 1;
    const part = async (): Promise<void> => {
      const sent = await upload.client.send(
        new UploadPartCommand({
          Bucket: upload.bucket,
          Key: upload.key,
          UploadId: uploadId,
          PartNumber: number,
          Body: bytes,
          ContentLength: bytes.length,
          ChecksumAlgorithm: 'CRC32',
        }),
      );
      parts.push({ PartNumber: number, ETag: sent.ETag, ChecksumCRC32: sent.ChecksumCRC32 });
    };
    try {
      await readFully(file, bytes, start);
      hash.update(bytes);
    } catch (error) {
      failure = error;
      upload.budget.give(bytes);
      break;
    }
    upload.onStep(`part ${number}`);
    const sending: Promise<void> = part()
      .catch((error: unknown) => {
        failure ??= error;
      })
      .finally(() => {
        upload.budget.give(bytes);
        underWay.delete(sending);
      });
    underWay.add(sending);
    if (underWay.size >= AT_ONCE) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  if (failure !== undefined) throw failure;
  verify(blob, hash.digest('hex'));
  return parts.sort((a, b) => (a.PartNumber ?? 0) - (b.PartNumber ?? 0));
}

async function openSpool(blob: Spooled): Promise<Descriptor> {
  return await Descriptor.open(blob.path, 'r').catch((error: unknown) => {
    throw fileError('opening a spool', error);
  });
}

async function readFully(file: Descriptor, bytes: Buffer, start: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const count = await file.read(bytes.subarray(done), bytes.length - done, start + done);
    if (count === 0) throw new StorageUnavailableError('the spooled file is shorter than announced');
    done += count;
  }
}

function verify(blob: Spooled, actual: string): void {
  if (actual !== blob.digest)
    throw new StorageUnavailableError(`the spooled file of ${blob.digest} has other bytes now`);
}
