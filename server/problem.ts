/**
 * The single list of problems a caller may see: slug to status and title. The wire form is in `http/problem-response.ts`.
 * A slug is part of the API: it may be added, never renamed. What it means is told in `http/problem-notes.ts`.
 */
export const PROBLEMS = {
  'malformed-request': { status: 400, title: 'The request is malformed' },
  'invalid-project-name': { status: 400, title: 'Not a valid project name' },
  'invalid-filename': { status: 400, title: 'Not a valid distribution file name' },
  'invalid-metadata': { status: 400, title: 'The core metadata are not valid' },
  'invalid-archive': { status: 400, title: 'Not a valid archive' },
  'metadata-mismatch': { status: 400, title: 'The form and the file disagree' },
  'digest-mismatch': { status: 400, title: 'The digest does not fit' },
  'not-accepted': { status: 400, title: 'Not accepted here' },
  'invalid-bundle-name': { status: 400, title: 'Not a valid name' },
  'credentials-required': { status: 401, title: 'Credentials are required' },
  'invalid-credentials': { status: 401, title: 'The credentials are not valid' },
  forbidden: { status: 403, title: 'Not allowed' },
  quarantined: { status: 403, title: 'The project is quarantined' },
  archived: { status: 403, title: 'The project is archived' },
  'not-found': { status: 404, title: 'Not found' },
  'project-not-found': { status: 404, title: 'Project not found' },
  'release-not-found': { status: 404, title: 'Release not found' },
  'file-not-found': { status: 404, title: 'File not found' },
  'repository-not-found': { status: 404, title: 'Repository not found' },
  'index-not-found': { status: 404, title: 'Index not found' },
  'token-not-found': { status: 404, title: 'Token not found' },
  'bundle-not-found': { status: 404, title: 'Bundle not found' },
  'bundle-version-not-found': { status: 404, title: 'Bundle version not found' },
  'job-not-found': { status: 404, title: 'Job not found' },
  'lock-not-found': { status: 404, title: 'Lock not found' },
  'source-not-found': { status: 404, title: 'Source not found' },
  'channel-not-found': { status: 404, title: 'Channel not found' },
  'method-not-allowed': { status: 405, title: 'Method not allowed' },
  'request-timeout': { status: 408, title: 'The request took too long' },
  'file-exists': { status: 409, title: 'File already exists' },
  'not-hosted': { status: 409, title: 'Not a hosted repository' },
  'bundle-exists': { status: 409, title: 'The version already exists' },
  'job-over': { status: 409, title: 'The job has finished' },
  'job-not-done': { status: 409, title: 'The job has not succeeded' },
  'channel-order': { status: 409, title: 'Another channel comes first' },
  'nothing-before': { status: 409, title: 'There is nothing to roll back to' },
  'version-in-use': { status: 409, title: 'A channel points to the version' },
  'contents-unknown': { status: 409, title: 'The contents are not known' },
  'channel-moved': { status: 412, title: 'The channel has moved' },
  'precondition-failed': { status: 412, title: 'The file is another one' },
  'payload-too-large': { status: 413, title: 'Too large' },
  'range-not-satisfiable': { status: 416, title: 'The range is outside of the file' },
  'identity-refused': { status: 422, title: 'The identity token was refused' },
  'rate-limited': { status: 429, title: 'Too many failed attempts' },
  'head-too-large': { status: 431, title: 'Too large a head' },
  internal: { status: 500, title: 'Internal error' },
  'upstream-unavailable': { status: 502, title: 'The upstream index is not available' },
  'upstream-mismatch': { status: 502, title: 'The upstream index sent other bytes than it promised' },
  'catalog-unavailable': { status: 503, title: 'The catalog is not available' },
  'storage-unavailable': { status: 503, title: 'The storage is not available' },
  'earlier-index-unavailable': { status: 503, title: 'An index that comes first is not available' },
  'not-stored': { status: 503, title: 'Not here, and not to be had' },
  'issuer-unavailable': { status: 503, title: 'The issuer of identity tokens is not available' },
  'upstream-timeout': { status: 504, title: 'The upstream index did not answer in time' },
  'read-only': { status: 503, title: 'Read-only at the moment' },
  stopping: { status: 503, title: 'The server is stopping' },
  'storage-full': { status: 507, title: 'The storage is full' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemSlug = keyof typeof PROBLEMS;

export interface ProblemOptions {
  /** Seconds; sent as `Retry-After`. */
  readonly retryAfter?: number;
  /** Extra members of the problem document. Only what a caller may see. */
  readonly members?: Readonly<Record<string, unknown>>;
  /** Extra response headers, such as `Allow`. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** A failure that the caller may see and can act on. Everything else that is thrown is reported as `internal`. */
export class Problem extends Error {
  readonly slug: ProblemSlug;
  readonly status: number;
  readonly title: string;
  /** One sentence for the caller: no path, SQL, address of an upstream or secret. */
  readonly detail: string;
  readonly retryAfter: number | undefined;
  readonly members: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(slug: ProblemSlug, detail: string, options: ProblemOptions = {}) {
    super(`${slug}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Problem';
    this.slug = slug;
    this.status = PROBLEMS[slug].status;
    this.title = PROBLEMS[slug].title;
    this.detail = detail;
    this.retryAfter = options.retryAfter;
    this.members = options.members ?? {};
    this.headers = options.headers ?? {};
  }
}
