import {
  DigestMismatchError,
  SpoolLimitError,
  StorageFullError,
  StorageUnavailableError,
} from '../../../storage/errors.ts';
import type { Clock } from '../../clock.ts';
import { Problem } from '../../problem.ts';
import { drop, wholeBody } from '../../upstream/body.ts';
import { Connections } from '../../upstream/connections.ts';
import { within } from '../../upstream/deadline.ts';
import { upstreamErrorOf } from '../../upstream/errors.ts';
import type { ProxySettings } from '../../upstream/proxy.ts';
import { Web, type WebResponse } from '../../upstream/web.ts';
import { shown } from '../lock.ts';
import type { AllowedHosts } from './allowed-hosts.ts';

export interface SourceWebOptions {
  readonly hosts: AllowedHosts;
  readonly clock: Clock;
  readonly userAgent: string;
  readonly proxies: ProxySettings;
  /** For everything that one call does, milliseconds. */
  readonly timeoutMs: number;
}

const CONNECT_TIMEOUT_MS = 10_000;
const CONNECTIONS = 8;

/** Fetches from the hosts that the configuration allows, within the time that it allows. */
export class SourceWeb {
  readonly #options: SourceWebOptions;
  readonly #connections: Connections;
  readonly #web: Web;

  constructor(options: SourceWebOptions) {
    const { hosts: guard, clock, proxies, userAgent } = options;
    this.#options = options;
    this.#connections = new Connections({
      clock,
      guard,
      proxies,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      maxConnections: CONNECTIONS,
    });
    this.#web = new Web({ connections: this.#connections, guard, userAgent, credentials: () => undefined });
  }

  /**
   * Hands a successful answer to `use`, which reads its body. `isVerified`: a digest tells afterwards whether the bytes are right. Throws
   * `Problem`: `source-not-found`, `not-accepted` (an address that is not allowed), `upstream-unavailable`, `upstream-timeout`.
   */
  async get<T>(
    text: string,
    options: { readonly signal: AbortSignal; readonly isVerified: boolean },
    use: (response: WebResponse) => Promise<T>,
  ): Promise<T> {
    const url = URL.parse(text);
    if (url === null) throw new Problem('not-accepted', `${shown(text)} is not an address.`);
    const { clock, timeoutMs, hosts } = this.#options;
    try {
      await hosts.check(url);
      return await within({ clock, ms: timeoutMs, signal: options.signal }, async (signal) => {
        const response = await this.#web.request(url, {
          headers: { accept: '*/*', 'accept-encoding': 'identity' },
          signal,
          mayDowngrade: options.isVerified,
        });
        if (response.status !== 200) {
          drop(response.body);
          throw statusProblem(url, response.status);
        }
        const abort = (): void => drop(response.body);
        signal.addEventListener('abort', abort, { once: true });
        try {
          return await use(response);
        } finally {
          signal.removeEventListener('abort', abort);
        }
      });
    } catch (error) {
      if (options.signal.aborted) throw options.signal.reason;
      throw fetchProblem(url, error);
    }
  }

  /** A text of at most `maxBytes`. Throws like `get`. */
  async text(url: string, options: { readonly signal: AbortSignal; readonly maxBytes: number }): Promise<string> {
    const { signal, maxBytes } = options;
    return await this.get(url, { signal, isVerified: false }, async ({ body, headers }) => {
      const head = { encoding: headers['content-encoding'], length: headers['content-length'] };
      return (await wholeBody(body, head, maxBytes)).toString('utf8');
    });
  }

  async close(): Promise<void> {
    await this.#connections.close();
  }
}

function statusProblem(url: URL, status: number): Problem {
  if (status === 404 || status === 410) {
    return new Problem('source-not-found', `${shown(url.href)} is not there: ${url.host} answers ${status}.`);
  }
  return new Problem('upstream-unavailable', `${url.host} answers ${status} to ${shown(url.href)}.`);
}

// Of the store and of spools: no fault of the address.
const OURS = [DigestMismatchError, SpoolLimitError, StorageFullError, StorageUnavailableError];

/** What kept an address from being fetched; errors of our own storage as they are. */
export function fetchProblem(url: URL, error: unknown): unknown {
  if (error instanceof Problem || OURS.some((kind) => error instanceof kind)) return error;
  const failure = upstreamErrorOf(error);
  const detail = `${shown(withoutCredentials(url))} cannot be fetched: ${failure.message}.`;
  if (failure.kind === 'here') return new Problem('not-accepted', detail, { cause: error });
  return new Problem(failure.kind === 'timeout' ? 'upstream-timeout' : 'upstream-unavailable', detail, {
    cause: error,
  });
}

function withoutCredentials(url: URL): string {
  const plain = new URL(url);
  plain.username = '';
  plain.password = '';
  return plain.href;
}
