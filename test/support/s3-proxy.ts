import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { S3Engine } from './engines.ts';
import { signAgain } from './s3-sign.ts';

/** What the proxy does to a request instead of passing it on as it is. */
type S3Fault =
  /** Answers 503 SlowDown without asking the server. */
  | { readonly kind: 'slow-down' }
  /** Answers with that status and code without asking the server. */
  | { readonly kind: 'answer'; readonly status: number; readonly code: string }
  /** Breaks the connection off before anything is answered; `pass` first lets the server do what was asked. */
  | { readonly kind: 'cut'; readonly pass: boolean }
  /** Breaks the connection off after so many bytes of the answer's body. */
  | { readonly kind: 'cut-answer'; readonly after: number }
  /** Says nothing more after so many bytes of the answer's body. */
  | { readonly kind: 'stall'; readonly after: number }
  /** Never answers. */
  | { readonly kind: 'hold' }
  /** Answers after everything else that is due in the process. */
  | { readonly kind: 'late' }
  /** Passes a body on without its last bytes and its checksums, as if the store had kept a part and not noticed. */
  | { readonly kind: 'short-body'; readonly missing: number }
  /** Passes the request on without its conditions, as if the store did not know them. */
  | { readonly kind: 'no-conditions' };

interface S3Order {
  readonly fault: S3Fault;
  /** Only these requests; every one when left out. */
  readonly when?: (asked: S3Asked) => boolean;
  /** How often; for ever when left out. */
  readonly times?: number;
}

interface S3Asked {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
}

/** A proxy in front of a real S3 server that obeys orders. */
export interface S3Proxy {
  readonly endpoint: string;
  /** Everything that was asked, in order. */
  readonly asked: S3Asked[];
  order(order: S3Order): void;
  /** Forgets all orders. */
  heal(): void;
  stop(): Promise<void>;
}

export async function startS3Proxy(engine: S3Engine): Promise<S3Proxy> {
  let orders: { order: S3Order; left: number }[] = [];
  const asked: S3Asked[] = [];
  const server = createServer((incoming, outgoing) => {
    const ask = { method: incoming.method ?? '', url: incoming.url ?? '', headers: incoming.headers };
    asked.push(ask);
    const found = orders.find(({ order, left }) => left > 0 && (order.when?.(ask) ?? true));
    if (found) found.left--;
    serve(engine, incoming, outgoing, found?.order.fault).catch(() => outgoing.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    asked,
    order: (order) => void orders.push({ order, left: order.times ?? Number.POSITIVE_INFINITY }),
    heal: () => {
      orders = [];
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function serve(
  engine: S3Engine,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  fault: S3Fault | undefined,
): Promise<void> {
  const sent = await buffer(incoming);
  if (fault?.kind === 'slow-down') return answer(outgoing, 503, 'SlowDown');
  if (fault?.kind === 'answer') return answer(outgoing, fault.status, fault.code);
  if (fault?.kind === 'hold') return;
  if (fault?.kind === 'cut' && !fault.pass) return void outgoing.destroy();
  const { headers, body } = changed(engine, incoming, sent, fault);
  const url = new URL(incoming.url ?? '/', engine.endpoint);
  // The host that the client signed is the proxy's, and stays.
  const asking = request(url, { method: incoming.method ?? 'GET', headers, agent: false, setHost: false });
  asking.end(body);
  const [reply] = (await once(asking, 'response')) as [IncomingMessage];
  if (fault?.kind === 'cut') return void outgoing.destroy();
  if (fault?.kind === 'late') for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  outgoing.writeHead(reply.statusCode ?? 500, reply.headers);
  outgoing.flushHeaders();
  let left = fault?.kind === 'cut-answer' || fault?.kind === 'stall' ? fault.after : Number.POSITIVE_INFINITY;
  for await (const chunk of reply as AsyncIterable<Buffer>) {
    const part = chunk.subarray(0, left);
    left -= part.length;
    if (!outgoing.write(part)) await drained(outgoing);
    if (outgoing.destroyed) return;
    if (left > 0) continue;
    if (fault?.kind === 'cut-answer') outgoing.socket?.destroySoon();
    return;
  }
  outgoing.end();
}

function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off('drain', done).off('close', done);
      resolve();
    };
    outgoing.on('drain', done).on('close', done);
  });
}

function changed(
  engine: S3Engine,
  incoming: IncomingMessage,
  sent: Buffer,
  fault: S3Fault | undefined,
): { headers: IncomingMessage['headers']; body: Buffer } {
  const { method = 'GET', url = '/', headers } = incoming;
  if (fault?.kind === 'no-conditions') {
    const { 'if-none-match': _, 'if-match': __, ...rest } = headers;
    return { headers: signAgain(engine, method, url, rest), body: sent };
  }
  if (fault?.kind === 'short-body') {
    const body = sent.subarray(0, sent.length - fault.missing);
    const kept = Object.entries(headers).filter(([name]) => !/checksum|content-md5/.test(name));
    const short = { ...Object.fromEntries(kept), 'content-length': String(body.length) };
    return { headers: signAgain(engine, method, url, short), body };
  }
  return { headers, body: sent };
}

function answer(outgoing: ServerResponse, status: number, code: string): void {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`;
  outgoing.writeHead(status, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(body) });
  outgoing.end(body);
}
