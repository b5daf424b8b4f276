import type { Digest } from './digest.ts';
import { BlobNotFoundError, StorageFullError, StorageUnavailableError } from './errors.ts';
import { codeOf } from './file-errors.ts';

/** The store answers, and its answer will not change until somebody changes the configuration or the store. */
export class StorageMisconfiguredError extends StorageUnavailableError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StorageMisconfiguredError';
  }
}

const SETTINGS_AT_FAULT: Readonly<Record<string, string>> = {
  NoSuchBucket: 'the bucket does not exist',
  InvalidBucketName: 'the bucket has a name that the store does not allow',
  InvalidAccessKeyId: 'the store does not know this access key',
  XAdminUserNotFound: 'the store does not know this access key',
  SignatureDoesNotMatch: 'the secret key does not belong to the access key, or the region is wrong',
  AuthorizationHeaderMalformed: 'the store expects another region',
  PermanentRedirect: 'the bucket is in another region',
  AccessDenied: 'this access key may not do that',
  Forbidden: 'this access key may not do that',
  RequestTimeTooSkewed: 'the clock of this machine is wrong',
  CredentialsProviderError: 'no credentials were found',
};

const FULL: ReadonlySet<string> = new Set([
  'InsufficientStorage',
  'QuotaExceeded',
  'StorageQuotaExceeded',
  'XMinioStorageFull',
  'XMinioAdminBucketQuotaExceeded',
]);

/** The HTTP status that an SDK error carries, if an answer came at all. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined;
  const metadata = error.$metadata;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined;
}

/** The store says that a condition (`If-None-Match`) does not hold: for a key that is a digest, the object is there already. */
export function isAlreadyThere(error: unknown): boolean {
  return statusOf(error) === 412;
}

/** Another writer of the same key is under way: AWS documents 409 for that, to be tried again. */
export function isConflict(error: unknown): boolean {
  return statusOf(error) === 409;
}

/** The object is not there, as far as one answer can tell: to HEAD it has no code, and a missing bucket looks the same. */
export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && error instanceof Error && (error.name === 'NoSuchKey' || error.name === 'NotFound');
}

/** What an SDK error means to a caller of the store. Errors of our own pass through. */
export function s3Error(doing: string, error: unknown, digest?: Digest): Error {
  if (error instanceof StorageUnavailableError || error instanceof StorageFullError) return error;
  if (digest !== undefined && isMissing(error)) return new BlobNotFoundError(digest, { cause: error });
  const name = error instanceof Error ? error.name : 'failure';
  const status = statusOf(error);
  const options = { cause: error };
  if (FULL.has(name) || status === 507)
    return new StorageFullError(`the store is full (${name}) while ${doing}`, options);
  const fault = SETTINGS_AT_FAULT[name];
  if (fault !== undefined) return new StorageMisconfiguredError(`${fault} (${name}, while ${doing})`, options);
  const what = status === undefined ? `did not answer (${codeOf(error) ?? name})` : `answered ${status} ${name}`;
  return new StorageUnavailableError(`the store ${what} while ${doing}`, options);
}
