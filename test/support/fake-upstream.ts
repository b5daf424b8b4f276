import { createHash } from 'node:crypto';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { type Answer, changed, type Exchange, type Order, send } from './fake-orders.ts';
import { FakeProject, type PageSnapshot } from './fake-project.ts';
import { freePort } from './free-port.ts';

export interface FakeUpstreamOptions {
  /** Which formats its pages have. Both unless told. */
  readonly formats?: 'both' | 'json' | 'html';
  /** `ETag` and 304 on pages. Yes unless told. */
  readonly etags?: boolean;
  /** `X-PyPI-Last-Serial` and `_last-serial`. */
  readonly serials?: boolean;
  /** Files on the same origin as the pages, or on a port of their own. */
  readonly files?: 'same' | 'other';
  /** How pages link to files. */
  readonly links?: 'absolute' | 'relative' | 'base';
  /** The index wants these; files on another origin do not. */
  readonly credentials?: { readonly user: string; readonly password: string };
  /** Speaks TLS. PEM. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** A request that arrived. `path` is without its query. */
interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
}

/** Another index on loopback: a real HTTP server that serves what it is given, obeys orders, and counts. */
export interface FakeUpstream {
  /** The index, ending in `/simple/`. */
  readonly url: string;
  /** What files' names are appended to. */
  readonly filesUrl: string;
  /** The project of that (normalised) name, made when it is not there yet. */
  project(name: string): FakeProject;
  /**
   * Orders for a path (`/simple/demo/`, `/files/NAME`, `/files/NAME.metadata`), a prefix (`/files/*`) or all (`*`), in place of earlier
   * ones; several are obeyed one after the other, each for its `times`. The most exact path wins. None: back to good conduct.
   */
  order(path: string, ...orders: readonly Order[]): void;
  /** Closes the port and every connection: connections are refused. */
  refuse(): Promise<void>;
  /** Listens again, on the same port. */
  accept(): Promise<void>;
  /** Requests so far, of a path or a prefix that ends in `*`. */
  requests(path?: string): number;
  /** The same, with what each carried, oldest first. */
  seen(path?: string): readonly SeenRequest[];
  /** Resolves once there have been `count` requests of the path. */
  waitFor(path: string, count?: number): Promise<void>;
  close(): Promise<void>;
}

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';

/** Starts a fake upstream that ends with the test. */
export async function fakeUpstream(
  t: { after(fn: () => Promise<void>): void },
  options: FakeUpstreamOptions = {},
): Promise<FakeUpstream> {
  const upstream = new Upstream(options);
  t.after(() => upstream.close());
  await upstream.open();
  return upstream;
}

class Upstream implements FakeUpstream {
  readonly #options: FakeUpstreamOptions;
  readonly #projects = new Map<string, FakeProject>();
  readonly #orders = new Map<string, { order: Order; left: number }[]>();
  readonly #seen: SeenRequest[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #timers = new Map<NodeJS.Timeout, () => void>();
  readonly #listeners: Listener[] = [];

  constructor(options: FakeUpstreamOptions) {
    this.#options = options;
    const handler = (request: IncomingMessage, response: ServerResponse): void => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error));
    };
    const count = options.files === 'other' ? 2 : 1;
    for (let i = 0; i < count; i += 1) this.#listeners.push(new Listener(handler, options.tls));
  }

  get url(): string {
    return `${this.#origin(0)}/simple/`;
  }

  get filesUrl(): string {
    return `${this.#origin(this.#listeners.length - 1)}/files/`;
  }

  project(name: string): FakeProject {
    const known = this.#projects.get(name);
    if (known) return known;
    const { links = 'absolute', serials = false } = this.#options;
    const made = new FakeProject(name, {
      filesAt: links === 'absolute' ? this.filesUrl : links === 'relative' ? '../../files/' : 'files/',
      provenanceAt: `${this.#origin(0)}/integrity/`,
      serials,
      ...(links === 'base' ? { base: `${this.#origin(this.#listeners.length - 1)}/` } : {}),
    });
    this.#projects.set(name, made);
    return made;
  }

  order(path: string, ...orders: readonly Order[]): void {
    if (orders.length === 0) this.#orders.delete(path);
    else
      this.#orders.set(
        path,
        orders.map((order) => ({ order, left: order.times ?? Number.POSITIVE_INFINITY })),
      );
  }

  async refuse(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }

  async accept(): Promise<void> {
    await this.open();
  }

  requests(path = '*'): number {
    return this.seen(path).length;
  }

  seen(path = '*'): readonly SeenRequest[] {
    return this.#seen.filter((request) => matches(request.path, path));
  }

  async waitFor(path: string, count = 1): Promise<void> {
    while (this.requests(path) < count) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  async open(): Promise<void> {
    for (const listener of this.#listeners) await listener.open();
  }

  async close(): Promise<void> {
    for (const [timer, resolve] of this.#timers) {
      clearTimeout(timer);
      resolve();
    }
    await this.refuse();
  }

  #origin(listener: number): string {
    return `${this.#options.tls ? 'https' : 'http'}://127.0.0.1:${this.#listeners[listener]?.port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '/', query = ''] = (request.url ?? '/').split('?');
    this.#seen.push({ method: request.method ?? '', path, query, headers: request.headers });
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
    const order = this.#orderFor(path);
    if (order.hang) return;
    if (order.reset) {
      request.socket.resetAndDestroy();
      return;
    }
    const pause = (ms: number): Promise<void> => this.#pause(ms);
    if (order.delayMs !== undefined) await pause(order.delayMs);
    await order.hold;
    const hop = Number(new URLSearchParams(query).get('hop') ?? 0);
    const exchange: Exchange = { request, response, pause };
    if (order.hops !== undefined && hop < order.hops) {
      await send(changed(NOT_FOUND, { redirect: `${path}?hop=${hop + 1}` }), {}, exchange);
      return;
    }
    await send(changed(this.#proper(path, request.headers, order), order), order, exchange);
  }

  #orderFor(path: string): Order {
    const keys = [...this.#orders.keys()].filter((key) => matches(path, key)).sort((a, b) => b.length - a.length);
    for (const key of keys) {
      const next = this.#orders.get(key)?.find(({ left }) => left > 0);
      if (next) {
        next.left -= 1;
        return next.order;
      }
    }
    return {};
  }

  /** What a well-kept index answers. */
  #proper(path: string, headers: IncomingHttpHeaders, order: Order): Answer {
    const [, area, name = '', ...rest] = path.split('/').map(decodeURIComponent);
    const { credentials } = this.#options;
    if (credentials && !(area === 'files' && this.#options.files === 'other')) {
      const expected = Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64');
      if (headers.authorization !== `Basic ${expected}`) {
        return { ...NOT_FOUND, status: 401, headers: { 'www-authenticate': 'Basic realm="fake"' } };
      }
    }
    if (area === 'files') {
      for (const project of this.#projects.values()) {
        const body = project.content(name);
        if (body) return file(body, headers, order);
      }
    }
    if (area === 'integrity') {
      const body = this.#projects.get(name)?.provenance(rest[1] ?? '');
      const type = 'application/vnd.pypi.integrity.v1+json';
      if (body) return { status: 200, headers: { 'content-type': type }, body: Buffer.from(body) };
    }
    if (area === 'simple') {
      const project = this.#projects.get(name);
      if (name === '') return this.#page(this.#list(), headers);
      if (project && !project.gone) {
        if (!path.endsWith('/')) return { status: 308, headers: { location: `${path}/` }, body: Buffer.alloc(0) };
        return this.#page(order.page ?? project.snapshot(), headers, order);
      }
    }
    return NOT_FOUND;
  }

  #list(): PageSnapshot {
    const names = [...this.#projects.keys()];
    const anchors = names.map((name) => `<a href="${name}/">${name}</a>`).join('\n');
    return {
      json: JSON.stringify({ meta: { 'api-version': '1.4' }, projects: names.map((name) => ({ name })) }),
      html: `<!DOCTYPE html><html><head><title>Simple index</title></head><body>\n${anchors}\n</body></html>`,
      serial: 0,
    };
  }

  #page(page: PageSnapshot, headers: IncomingHttpHeaders, order: Order = {}): Answer {
    const { formats = 'both', etags = true, serials = false } = this.#options;
    const json = formats === 'json' || (formats === 'both' && headers.accept?.includes(JSON_TYPE) === true);
    const body = Buffer.from(json ? page.json : page.html);
    const etag = `"${createHash('md5').update(body).digest('hex')}"`;
    const validators = etags && order.validators !== false;
    const own: Record<string, string> = {
      'content-type': json ? JSON_TYPE : 'text/html; charset=utf-8',
      ...(validators ? { etag, vary: 'Accept' } : {}),
      ...(serials ? { 'x-pypi-last-serial': String(page.serial) } : {}),
    };
    if (validators && headers['if-none-match'] === etag) return { status: 304, headers: own, body: Buffer.alloc(0) };
    return { status: 200, headers: own, body };
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        resolve();
      }, ms);
      this.#timers.set(timer, resolve);
    });
  }
}

const NOT_FOUND: Answer = { status: 404, headers: {}, body: Buffer.alloc(0) };

function matches(path: string, pattern: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern;
}

function file(body: Buffer, headers: IncomingHttpHeaders, order: Order): Answer {
  const etag = `"${createHash('md5').update(body).digest('hex')}"`;
  const own: Record<string, string> = {
    'content-type': 'application/octet-stream',
    etag,
    'last-modified': 'Mon, 01 Jan 2024 00:00:00 GMT',
    ...(order.ranges === false ? {} : { 'accept-ranges': 'bytes' }),
  };
  const range = order.ranges === false ? null : /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '');
  const condition = headers['if-range'];
  const holds =
    condition === undefined ||
    (order.validators !== false && [etag, own['last-modified']].includes(condition.toString()));
  if (!range || !holds) return { status: 200, headers: own, body };
  const start = Number(range[1]);
  const end = Math.min(range[2] === '' ? body.length - 1 : Number(range[2]), body.length - 1);
  if (start > end) {
    return { status: 416, headers: { 'content-range': `bytes */${body.length}` }, body: Buffer.alloc(0) };
  }
  const partial = { ...own, 'content-range': `bytes ${start}-${end}/${body.length}` };
  return { status: 206, headers: partial, body: body.subarray(start, end + 1) };
}

/** One port of 127.0.0.1 that can be closed and opened again; nobody else is given it meanwhile. */
class Listener {
  port = 0;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #handler: (request: IncomingMessage, response: ServerResponse) => void;
  readonly #tls: FakeUpstreamOptions['tls'];

  constructor(handler: (request: IncomingMessage, response: ServerResponse) => void, tls: FakeUpstreamOptions['tls']) {
    this.#handler = handler;
    this.#tls = tls;
  }

  async open(): Promise<void> {
    if (this.#server) return;
    const server = this.#tls ? createTlsServer(this.#tls, this.#handler) : createServer(this.#handler);
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      // A client that breaks off is what many tests want.
      socket.on('error', () => socket.destroy());
      socket.once('close', () => this.#sockets.delete(socket));
    });
    if (this.port === 0) this.port = await freePort();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
    this.#server = server;
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
