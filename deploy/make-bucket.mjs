// Makes the bucket that the environment names, unless it is there. Ends with 1 and a sentence when it cannot.
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';

const { S3_ENDPOINT, S3_BUCKET, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY } = process.env;
const client = new S3Client({
  endpoint: S3_ENDPOINT,
  region: 'us-east-1',
  forcePathStyle: true,
  credentials: { accessKeyId: S3_ACCESS_KEY_ID ?? '', secretAccessKey: S3_SECRET_ACCESS_KEY ?? '' },
});
try {
  await client.send(new CreateBucketCommand({ Bucket: S3_BUCKET }));
  console.log(`made the bucket ${S3_BUCKET}`);
} catch (error) {
  if (error.name === 'BucketAlreadyOwnedByYou') console.log(`the bucket ${S3_BUCKET} is there`);
  else {
    console.error(`The bucket ${S3_BUCKET} cannot be made: ${error.message}`);
    process.exitCode = 1;
  }
} finally {
  client.destroy();
}
