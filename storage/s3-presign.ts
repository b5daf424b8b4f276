import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';

/** Long enough for a client that is told to wait before it follows, too short to be worth passing on. */
const VALID_SECONDS = 300;

/** An address of the store itself that is good for five minutes, under which the object is a download of that name and type. */
export async function presign(
  client: S3Client,
  at: { readonly bucket: string; readonly key: string },
  as: { readonly filename: string; readonly contentType: string },
): Promise<URL> {
  const command = new GetObjectCommand({
    Bucket: at.bucket,
    Key: at.key,
    ResponseContentType: as.contentType,
    ResponseContentDisposition: attachment(as.filename),
  });
  return new URL(await getSignedUrl(client, command, { expiresIn: VALID_SECONDS }));
}

/** RFC 6266: a plain name as it is, any other in UTF-8 by RFC 8187. */
function attachment(filename: string): string {
  if (/^[A-Za-z0-9._+!-]+$/.test(filename)) return `attachment; filename="${filename}"`;
  const encoded = encodeURIComponent(filename).replace(
    /['()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename*=UTF-8''${encoded}`;
}
