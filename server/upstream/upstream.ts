import type { Digest } from '../../storage/digest.ts';
import type { ProjectName } from '../model/project-name.ts';
import type { FileBody } from './file-body.ts';

/** A project page as an upstream sent it: decompressed, bounded in size, of a content type that we can read. */
export interface UpstreamPage {
  readonly etag?: string;
  /** `X-PyPI-Last-Serial`, when it is a number. */
  readonly lastSerial?: number;
  /** From a fallback, while the first address does not answer: it may be behind, and lack what the first has. */
  readonly isFallback?: true;
  /** Without parameters, lower case. */
  readonly contentType: string;
  /** The final address after redirects: what relative links are relative to. */
  readonly url: URL;
  readonly body: Buffer;
  /** What `body` says, where it is JSON and somebody had to read it. */
  readonly json?: unknown;
}

/** What is to be downloaded. */
export interface DownloadTarget {
  readonly project: ProjectName;
  /** The file's name; its core metadata is asked with `.metadata` added to name and address. */
  readonly filename: string;
  readonly url: URL;
  /** When known, the bytes may also come from a fallback that lists the same digest. */
  readonly sha256?: Digest;
}

export interface Download {
  /** Strong `ETag`, else `Last-Modified`: to be handed in again when the rest of the file is asked for. */
  readonly validator?: string;
  /** When the file was changed last by its `Last-Modified`, milliseconds. */
  readonly modifiedAt?: number;
  /** Where `body` begins in the file: the offset that was asked for, or 0 when the upstream ignores ranges. */
  readonly offset: number;
  /** Length of the whole file, when the upstream tells it. */
  readonly size?: number;
  /** Raw bytes, as sent with `Accept-Encoding: identity`. The caller reads it to its end or destroys it. A short body fails. */
  readonly body: FileBody;
}

export interface Document {
  readonly contentType: string;
  readonly body: Buffer;
}

export interface DocumentOptions {
  readonly accept: string;
  readonly maxBytes: number;
  /** What pages list it as. When known, it may also come from a fallback that lists the same digest. */
  readonly listed?: Required<Pick<DownloadTarget, 'project' | 'filename' | 'sha256'>>;
}

/** `slow`: something has been asked for longer than a client should wait, and nothing has answered since. */
export type BreakerState = 'closed' | 'slow' | 'open';

/** What is known of an upstream's condition. A snapshot. */
export interface UpstreamHealth {
  readonly state: BreakerState;
  /** When the state began, milliseconds. */
  readonly since: number;
  /**
   * Changes with every change of state. Part of a page's revision, since an open breaker changes what pages say. 0 while closed, so that
   * pages have their revision back when the upstream is back, here and on every other node.
   */
  readonly epoch: number;
  readonly lastSuccessAt?: number;
  readonly lastFailureAt?: number;
  /** One sentence without addresses or secrets. */
  readonly lastError?: string;
  /** Seconds until the next probe; for `Retry-After`. At least 1. */
  readonly retryAfter: number;
}

/** Another index, over HTTP. Retries, timeouts, size limits, redirects, credentials and the breaker live behind this line. */
export interface Upstream {
  /** The repository's name in the config. */
  readonly name: string;
  /**
   * The project page, within `withinMs` when that is sooner than the upstream's own timeout; `'not-modified'` when `etag` still
   * holds; `'absent'` when upstream says 404 or 410. What a fallback lacks the first address may have: then it throws.
   * Throws `upstream-unavailable` (refused, reset, DNS, TLS, 403, 429, 5xx, redirect loop, not an index page) and
   * `upstream-timeout`, both with `retryAfter`; at once while the breaker is open.
   */
  page(
    name: ProjectName,
    options?: { readonly etag?: string; readonly withinMs?: number },
  ): Promise<UpstreamPage | 'not-modified' | 'absent'>;
  /**
   * The bytes of a file that a page linked to, from `offset` on when the upstream can do that and the file is still the one that
   * `validator` came with (or its `sha256` is known, so that the caller will notice). Throws `file-not-found` (404, 410),
   * `upstream-unavailable`, `upstream-timeout`; at once while the breaker is open.
   */
  download(
    target: DownloadTarget,
    options: { readonly signal: AbortSignal; readonly offset?: number; readonly validator?: string },
  ): Promise<Download>;
  /**
   * Of a file that came with wrong bytes, or breaks off again and again: when its digest is known, the next `download` asks the fallbacks first,
   * and after another call its own address again.
   */
  distrust(target: DownloadTarget): void;
  /** A small document beside the index (core metadata, provenance), whole. Throws like `download`. */
  document(url: URL, options: DocumentOptions): Promise<Document>;
  health(): UpstreamHealth;
  /** Since when it counts as down (`open`), milliseconds; `undefined` while it does not. The same as `health()` says, for who asks often. */
  readonly downSince: number | undefined;
  /** A caller gave up waiting for an answer that is still under way: until the next success, callers should not wait. */
  reportSlow(): void;
  /** Begins background probing when the state that was loaded is not closed. */
  start(): void;
  stop(): Promise<void>;
}
