import { S3Client } from '@aws-sdk/client-s3';

export interface S3Config {
  readonly kind: 's3';
  readonly bucket: string;
  /** `null` is AWS itself. */
  readonly endpoint: string | null;
  readonly region: string;
  /** Begins every key. */
  readonly prefix: string;
  /** Bucket in the path instead of in the host name. */
  readonly forcePathStyle: boolean;
  /** `null`: where the SDK finds credentials. */
  readonly accessKeyId: string | null;
  readonly secretAccessKey: string | null;
  readonly delivery: 'stream' | 'redirect';
  /** Room for local copies of what is asked often; nothing or 0 keeps none. */
  readonly cacheBytes?: number;
}

export interface S3Patience {
  /** For a connection. */
  readonly connectMs: number;
  /** For the head of an answer to a read, retries included. */
  readonly headMs: number;
  /** Without a byte on a connection. */
  readonly idleMs: number;
  /** How often a request is sent in all before its failure counts. */
  readonly attempts: number;
}

export const PATIENCE: S3Patience = { connectMs: 3_000, headMs: 6_000, idleMs: 20_000, attempts: 4 };

/** Readers of slow clients hold a connection each, and must not keep a put or a readiness check waiting. */
const SOCKETS = 1_000;

/** The SDK's client as we need it. The caller calls `destroy`. */
export function s3Client(config: S3Config, patience: S3Patience): S3Client {
  const { accessKeyId, secretAccessKey } = config;
  const agent = { keepAlive: true, maxSockets: SOCKETS, maxFreeSockets: 50 };
  return new S3Client({
    region: config.region,
    ...(config.endpoint === null ? {} : { endpoint: config.endpoint }),
    forcePathStyle: config.forcePathStyle,
    ...(accessKeyId === null || secretAccessKey === null ? {} : { credentials: { accessKeyId, secretAccessKey } }),
    maxAttempts: patience.attempts,
    // Clients check the digest of what they get, and so does whoever fills a cache; ranges have no checksum anyway.
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: patience.connectMs,
      socketTimeout: patience.idleMs,
      httpAgent: agent,
      httpsAgent: agent,
    },
  });
}
