import type { Dispatcher } from 'undici';
import type { Guard } from './address-guard.ts';
import { discard } from './body.ts';
import type { Connections } from './connections.ts';
import type { AuthorizationFor } from './credentials.ts';
import { UpstreamError, upstreamErrorOf } from './errors.ts';

const MAX_REDIRECTS = 5;

export interface WebOptions {
  readonly connections: Connections;
  readonly guard: Guard;
  readonly userAgent: string;
  /** Sent there and nowhere else, however a request came there. */
  readonly credentials: AuthorizationFor;
}

export interface WebRequest {
  readonly method?: 'GET' | 'HEAD';
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** May a redirect leave https for http? Only where a digest tells afterwards whether the bytes are right. */
  readonly mayDowngrade?: boolean;
}

export interface WebResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Dispatcher.ResponseData['body'];
  /** After redirects, without credentials. */
  readonly url: URL;
}

/** Asks addresses of an index, following redirects: at most 5, to http and https only, not in circles, not to where the guard forbids. */
export class Web {
  readonly #options: WebOptions;

  constructor(options: WebOptions) {
    this.#options = options;
  }

  /** The final answer, whatever its status. The caller consumes or drops the body. Throws `UpstreamError`. */
  async request(start: URL, request: WebRequest): Promise<WebResponse> {
    const seen = new Set<string>();
    let url = bare(start);
    for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
      seen.add(url.href);
      await this.#options.guard.check(url);
      const response = await this.#once(url, request, url.hostname !== start.hostname);
      const location = isRedirect(response.status) ? response.headers.location : undefined;
      if (location === undefined) return response;
      await discard(response.body, request.signal);
      const next = URL.parse(location, url.href);
      if (next === null) throw new UpstreamError('answer', 'it redirects to something that is no address');
      if (url.protocol === 'https:' && next.protocol === 'http:' && request.mayDowngrade !== true) {
        throw new UpstreamError('answer', 'it redirects from https to http');
      }
      url = bare(next);
      if (seen.has(url.href)) throw new UpstreamError('answer', 'it redirects in a circle');
    }
    throw new UpstreamError('answer', `it redirects more than ${MAX_REDIRECTS} times`);
  }

  async #once(url: URL, { method = 'GET', headers, signal }: WebRequest, isElsewhere: boolean): Promise<WebResponse> {
    const { connections, userAgent, credentials } = this.#options;
    const authorization = credentials(url);
    try {
      const response = await connections.request(url, {
        method,
        signal,
        headers: { 'user-agent': userAgent, ...headers, ...(authorization === undefined ? {} : { authorization }) },
      });
      return { status: response.statusCode, headers: flat(response.headers), body: response.body, url };
    } catch (error) {
      // The reason of an abort is the caller's own.
      if (signal.aborted) throw signal.reason;
      const { kind, message } = upstreamErrorOf(error);
      throw new UpstreamError(kind, message, { cause: error, isElsewhere });
    }
  }
}

function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/** Credentials in links and redirects are nobody's: ours come from the config. */
function bare(url: URL): URL {
  const plain = new URL(url);
  plain.username = '';
  plain.password = '';
  plain.hash = '';
  return plain;
}

/** A header that came twice is its first value; nothing we read may come twice. */
function flat(headers: Dispatcher.ResponseData['headers']): Record<string, string | undefined> {
  const flattened: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(headers)) flattened[name] = Array.isArray(value) ? value[0] : value;
  return flattened;
}
