import type { Digest } from './digest.ts';

/** The store holds no blob of this digest. */
export class BlobNotFoundError extends Error {
  readonly digest: Digest;
  constructor(digest: Digest, options?: ErrorOptions) {
    super(`no blob ${digest}`, options);
    this.name = 'BlobNotFoundError';
    this.digest = digest;
  }
}

/** The bytes are not those that the digest names. */
export class DigestMismatchError extends Error {
  readonly expected: Digest;
  readonly actual: Digest;
  constructor(expected: Digest, actual: Digest) {
    super(`expected sha256 ${expected}, got ${actual}`);
    this.name = 'DigestMismatchError';
    this.expected = expected;
    this.actual = actual;
  }
}

/** There is no room left. Nothing was changed. */
export class StorageFullError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StorageFullError';
  }
}

/** The store cannot be reached or does not work. */
export class StorageUnavailableError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StorageUnavailableError';
  }
}

/** More bytes were written to a spool than it may hold. */
export class SpoolLimitError extends Error {
  readonly maxBytes: number;
  constructor(maxBytes: number) {
    super(`more than ${maxBytes} bytes`);
    this.name = 'SpoolLimitError';
    this.maxBytes = maxBytes;
  }
}

/** The spool was given up before it was finished, or its descriptor is closed already. */
export class SpoolGoneError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SpoolGoneError';
  }
}
