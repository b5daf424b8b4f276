import { Problem } from '../problem.ts';

/**
 * What kind of failure, as far as it says something of the upstream:
 * `unreachable`: no connection (refused, no such name, TLS, no route, no connection in time), whatever is asked for;
 * `reset`: the connection broke before or in the answer; `timeout`: no answer in time; `limited`: 429;
 * `answer`: an answer that cannot be used (403, 5xx, a sign-in page, redirects without end);
 * `here`: our own limit or rule, which says nothing of the upstream.
 */
export type FailureKind = 'unreachable' | 'reset' | 'timeout' | 'limited' | 'answer' | 'here';

export interface FailureDetails {
  readonly status?: number;
  /** What `Retry-After` asks for, milliseconds. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
  /** It happened at another host, to which the upstream had redirected. */
  readonly isElsewhere?: boolean;
}

/** An upstream did not give what it was asked for. The message is one clause without addresses or secrets. */
export class UpstreamError extends Error {
  readonly kind: FailureKind;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly isElsewhere: boolean;

  constructor(kind: FailureKind, message: string, details: FailureDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'UpstreamError';
    this.kind = kind;
    this.status = details.status;
    this.retryAfterMs = details.retryAfterMs;
    this.isElsewhere = details.isElsewhere ?? false;
  }

  /** Is it worth asking the same again in a moment? */
  get isPassing(): boolean {
    return this.kind === 'unreachable' || this.kind === 'reset' || this.status === 502 || this.status === 503;
  }
}

/** A connection took longer than it may. */
export class ConnectTimeoutError extends Error {
  constructor() {
    super('no connection in time');
    this.name = 'ConnectTimeoutError';
  }
}

const REASONS: Readonly<Record<string, readonly [FailureKind, string]>> = {
  ECONNREFUSED: ['unreachable', 'connection refused'],
  ENOTFOUND: ['unreachable', 'its name cannot be resolved'],
  EAI_AGAIN: ['unreachable', 'its name cannot be resolved'],
  EAI_FAIL: ['unreachable', 'its name cannot be resolved'],
  EHOSTUNREACH: ['unreachable', 'no route to it'],
  ENETUNREACH: ['unreachable', 'no route to it'],
  EADDRNOTAVAIL: ['unreachable', 'no route to it'],
  ETIMEDOUT: ['unreachable', 'no connection in time'],
  UND_ERR_CONNECT_TIMEOUT: ['unreachable', 'no connection in time'],
  UND_ERR_PRX_TLS: ['unreachable', 'the proxy cannot be reached'],
  UND_ERR_PRX_CONN: ['unreachable', 'the proxy cannot be reached'],
  ECONNRESET: ['reset', 'the connection was reset'],
  EPIPE: ['reset', 'the connection was reset'],
  UND_ERR_SOCKET: ['reset', 'the connection was cut'],
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: ['reset', 'the answer had another length than promised'],
  EMFILE: ['here', 'too many files and connections are open here'],
  ENFILE: ['here', 'too many files and connections are open here'],
  ENOBUFS: ['here', 'there is no memory for a connection here'],
  ENOMEM: ['here', 'there is no memory for a connection here'],
  UND_ERR_DESTROYED: ['here', 'we are stopping'],
  UND_ERR_CLOSED: ['here', 'we are stopping'],
  UND_ERR_MAX_ORIGINS_REACHED: ['here', 'it leads to too many hosts at once'],
  UND_ERR_HEADERS_OVERFLOW: ['answer', 'the head of its answer is too large'],
};

/** What a request or a body threw, as ours; errors of ours come back as they are. */
export function upstreamErrorOf(error: unknown): UpstreamError {
  if (error instanceof UpstreamError) return error;
  if (error instanceof ConnectTimeoutError) {
    return new UpstreamError('unreachable', 'no connection in time', { cause: error });
  }
  for (const code of codesOf(error)) {
    const reason = REASONS[code];
    if (reason) return new UpstreamError(reason[0], reason[1], { cause: error });
    if (/^(?:ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|INVALID_CA|EPROTO)/.test(code)) {
      return new UpstreamError('unreachable', 'the secure connection failed (TLS)', { cause: error });
    }
    if (code.startsWith('HPE_')) return new UpstreamError('answer', 'its answer is no HTTP', { cause: error });
  }
  return new UpstreamError('reset', 'the request failed', { cause: error });
}

/** The codes of an error, of those gathered in it and of its cause. */
function codesOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const own = 'code' in error && typeof error.code === 'string' ? [error.code] : [];
  const gathered = error instanceof AggregateError ? error.errors.flatMap(codesOf) : [];
  return [...own, ...gathered, ...codesOf(error.cause)];
}

/** The failure as a caller of `Upstream` sees it. `name`: the repository's; `retryAfter`: seconds. */
export function problemOf(error: UpstreamError, name: string, retryAfter: number): Problem {
  const slug = error.kind === 'timeout' ? 'upstream-timeout' : 'upstream-unavailable';
  const seconds = error.retryAfterMs === undefined ? retryAfter : Math.ceil(error.retryAfterMs / 1000);
  const options = { cause: error, retryAfter: Math.max(1, Math.min(seconds, 3600)) };
  return new Problem(slug, `The upstream index "${name}" did not answer as it should: ${error.message}.`, options);
}
