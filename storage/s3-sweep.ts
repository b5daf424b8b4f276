import { AbortMultipartUploadCommand, ListMultipartUploadsCommand, type S3Client } from '@aws-sdk/client-s3';
import { BLOB_FOLDER } from './blob-path.ts';
import type { S3Config } from './s3-client.ts';
import { s3Error, statusOf } from './s3-errors.ts';

/**
 * Aborts multipart uploads that were begun before `begunBefore` (milliseconds since 1970): killed processes leave them, and stores
 * charge for their parts. Returns how many went. Throws `StorageUnavailableError`.
 */
export async function sweepUploads(
  client: S3Client,
  { bucket: Bucket, prefix }: S3Config,
  { begunBefore, signal: abortSignal }: { readonly begunBefore: number; readonly signal: AbortSignal },
): Promise<number> {
  let aborted = 0;
  let next: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
  while (next) {
    const command: ListMultipartUploadsCommand = new ListMultipartUploadsCommand({
      Bucket,
      Prefix: `${prefix}${BLOB_FOLDER}/`,
      ...next,
    });
    const page = await client.send(command, { abortSignal }).catch((error: unknown) => {
      throw s3Error('listing uploads', error);
    });
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      if (!Initiated || Initiated.getTime() >= begunBefore) continue;
      await client
        .send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }), { abortSignal })
        .catch((error: unknown) => {
          if (statusOf(error) !== 404) throw s3Error('aborting an upload', error); // 404: another node was faster
        });
      aborted++;
    }
    const { NextKeyMarker, NextUploadIdMarker } = page;
    next =
      page.IsTruncated && NextKeyMarker !== undefined
        ? {
            KeyMarker: NextKeyMarker,
            ...(NextUploadIdMarker === undefined ? {} : { UploadIdMarker: NextUploadIdMarker }),
          }
        : undefined;
  }
  return aborted;
}
