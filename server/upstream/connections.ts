import { Socket } from 'node:net';
import { getCACertificates } from 'node:tls';
import { Agent, buildConnector, type Dispatcher, ProxyAgent } from 'undici';
import type { Clock } from '../clock.ts';
import type { Guard } from './address-guard.ts';
import { ConnectTimeoutError } from './errors.ts';
import { type ProxySettings, proxyFor } from './proxy.ts';

export interface ConnectionOptions {
  readonly clock: Clock;
  readonly guard: Guard;
  readonly connectTimeoutMs: number;
  /** To one origin at once. */
  readonly maxConnections: number;
  readonly proxies: ProxySettings;
  /** Certificate authorities to trust besides the system's, PEM. */
  readonly ca?: string;
}

// Enough for an index, its file hosts and fallbacks; a page that links everywhere gets no further.
const MAX_ORIGINS = 64;
const CONNECTED = new Error('it was decided in time');

/** Sockets to an index and to where it leads, kept alive and bounded. Time limits are the caller's, but for connecting. */
export class Connections {
  readonly #options: ConnectionOptions;
  readonly #trusted: Agent;
  readonly #guarded: Agent;
  readonly #proxied = new Map<string, ProxyAgent>();

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#trusted = new Agent({ ...this.#common(), connect: this.#connector({}) });
    this.#guarded = new Agent({ ...this.#common(), connect: this.#connector({ lookup: options.guard.lookup }) });
  }

  /** One GET or HEAD, redirects not followed, the body as it was sent. The caller consumes or destroys the body. */
  request(
    url: URL,
    options: {
      readonly method?: 'GET' | 'HEAD';
      readonly headers: Record<string, string>;
      readonly signal: AbortSignal;
    },
  ): Promise<Dispatcher.ResponseData> {
    return this.#dispatcherFor(url).request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: options.method ?? 'GET',
      headers: options.headers,
      signal: options.signal,
    });
  }

  /** Cuts what is under way. */
  async close(): Promise<void> {
    await Promise.all([this.#trusted, this.#guarded, ...this.#proxied.values()].map((agent) => agent.destroy()));
  }

  #dispatcherFor(url: URL): Dispatcher {
    const proxy = proxyFor(url, this.#options.proxies);
    if (!proxy) return this.#options.guard.isOwn(url) ? this.#trusted : this.#guarded;
    const known = this.#proxied.get(proxy.href);
    if (known) return known;
    const tls = { ...this.#tls(), timeout: this.#options.connectTimeoutMs };
    const agent = new ProxyAgent({ ...this.#common(), uri: proxy.href, requestTls: tls, proxyTls: tls });
    this.#proxied.set(proxy.href, agent);
    return agent;
  }

  #common() {
    // 0: the clock that tests can move measures all other limits, above this.
    return {
      connections: this.#options.maxConnections,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 10_000,
      maxOrigins: MAX_ORIGINS,
      allowH2: false,
    };
  }

  #tls(): { ca?: string[] } {
    const { ca } = this.#options;
    return ca === undefined ? {} : { ca: [...getCACertificates('default'), ca] };
  }

  #connector(options: { readonly lookup?: Guard['lookup'] }): buildConnector.connector {
    const connect = buildConnector({ ...this.#tls(), ...options, allowH2: false, timeout: 0 });
    return (target, callback) => {
      const timer = new AbortController();
      const socket: unknown = connect(target, (...outcome) => {
        timer.abort(CONNECTED);
        callback(...outcome);
      });
      this.#options.clock.sleep(this.#options.connectTimeoutMs, timer.signal).then(
        () => {
          if (socket instanceof Socket) socket.destroy(new ConnectTimeoutError());
        },
        // Connected, or failed, in time.
        () => {},
      );
    };
  }
}
