import type { IncomingMessage, ServerResponse } from 'node:http';
import { createGzip, gzipSync } from 'node:zlib';
import type { PageSnapshot } from './fake-project.ts';

/** What the fake upstream is to do instead of answering well. Fields may be combined where that makes sense. */
export interface Order {
  /** How many requests obey; all of them when absent. */
  readonly times?: number;
  /** Never answers. */
  readonly hang?: true;
  /** Resets the connection without an answer. */
  readonly reset?: true;
  /** The answer waits for this. */
  readonly hold?: Promise<unknown>;
  /** The answer waits so long, in real time: for tests with real clients. */
  readonly delayMs?: number;
  /** Answers with this status; the body is a short text unless `body` is given. */
  readonly status?: number;
  /** Added to the answer, or put in the place of its own headers. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly contentType?: string;
  /** 302 (or `status`) to this address. */
  readonly redirect?: string;
  /** Redirects to itself so many times before it answers. */
  readonly hops?: number;
  /** Another page of the same project. */
  readonly page?: PageSnapshot;
  /** Sends so many bytes of the body, then cuts the line. */
  readonly cutAfter?: number;
  /** Sends so many bytes of the body; the rest waits for `until`. */
  readonly holdAfter?: { readonly bytes: number; readonly until: Promise<unknown> };
  /** Sends the body in pieces, in real time. */
  readonly drip?: { readonly bytes: number; readonly everyMs: number };
  /** `Content-Length` is told so many bytes too long, or too short when negative. */
  readonly lieAboutLength?: number;
  /** No `Content-Length`. */
  readonly chunked?: true;
  /** Bytes of the right length, but others. */
  readonly corrupt?: true;
  /** Zeros, so many when decompressed, sent as gzip. */
  readonly gzipBomb?: number;
  /** The body compressed, whatever was asked for. */
  readonly gzip?: true;
  /** Ranges are not known. */
  readonly ranges?: false;
  /** No `ETag`, no `Last-Modified`, no 304. */
  readonly validators?: false;
}

/** The answer that a well-kept index would give. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const SIGN_IN = `<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Please sign in</h1>
<form action="/login" method="post"><input name="user"><input type="password" name="password"></form>
<a href="/help">Help</a> <a href="/client-1.0.zip">Get our client</a></body></html>`;

/** A sign-in page instead of what was asked for, with status 200. */
export const signInPage: Order = { status: 200, contentType: 'text/html; charset=utf-8', body: SIGN_IN };
/** An error page of a proxy in between, with status 200. */
export const errorPage: Order = {
  status: 200,
  contentType: 'text/html',
  body: '<html><head><title>Backend fetch failed</title></head><body><h1>Error 503</h1></body></html>',
};
/** A JSON page that breaks off, with the right content type. */
export const garbageJson: Order = {
  status: 200,
  contentType: 'application/vnd.pypi.simple.v1+json',
  body: '{"meta": {"api-version": "1.0"}, "files": [{"filename": ',
};
/** A page without files, as an index under repair may send it. */
export const emptyPage: Order = {
  status: 200,
  contentType: 'application/vnd.pypi.simple.v1+json',
  body: '{"meta":{"api-version":"1.0"},"name":"","versions":[],"files":[]}',
};

/** What an order makes of the proper answer: another one. */
export function changed(answer: Answer, order: Order): Answer {
  let { status, body } = answer;
  const headers: Record<string, string> = { ...answer.headers };
  if (order.status !== undefined || order.body !== undefined) {
    status = order.status ?? 200;
    body = Buffer.from(order.body ?? `the fake upstream was told to answer ${status}\n`);
    for (const name of Object.keys(headers)) delete headers[name];
    headers['content-type'] = order.contentType ?? 'text/plain';
  }
  if (order.redirect !== undefined) {
    status = order.status ?? 302;
    headers.location = order.redirect;
    body = Buffer.alloc(0);
  }
  if (order.corrupt) body = Buffer.from(body.map((byte) => byte ^ 0x55));
  if (order.gzip) {
    body = gzipSync(body);
    headers['content-encoding'] = 'gzip';
  }
  if (order.validators === false) {
    delete headers.etag;
    delete headers['last-modified'];
  }
  return { status, body, headers: { ...headers, ...order.headers } };
}

/** Sends an answer as an order wants it sent. Settles when it is out or has been cut. */
export async function send(answer: Answer, order: Order, exchange: Exchange): Promise<void> {
  const { request, response } = exchange;
  if (order.gzipBomb !== undefined) return sendBomb(order.gzipBomb, answer, response);
  const { body } = answer;
  const headers: Record<string, string | number> = { ...answer.headers };
  if (!order.chunked && answer.status !== 304) headers['content-length'] = body.length + (order.lieAboutLength ?? 0);
  response.writeHead(answer.status, headers);
  if (request.method === 'HEAD' || answer.status === 304) {
    response.end();
    return;
  }
  // Otherwise Node keeps the head back until the first bytes of the body.
  response.flushHeaders();
  if (order.cutAfter !== undefined || (order.lieAboutLength ?? 0) > 0) {
    await write(response, body.subarray(0, order.cutAfter ?? body.length));
    request.socket.destroySoon();
    return;
  }
  let rest = body;
  if (order.holdAfter) {
    await write(response, rest.subarray(0, order.holdAfter.bytes));
    rest = rest.subarray(order.holdAfter.bytes);
    await order.holdAfter.until;
  }
  if (order.drip) {
    for (; rest.length > order.drip.bytes && !response.destroyed; rest = rest.subarray(order.drip.bytes)) {
      await write(response, rest.subarray(0, order.drip.bytes));
      await exchange.pause(order.drip.everyMs);
    }
  }
  response.end(rest);
}

/** One request under way. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Real time; ends early when the fake upstream is closed. */
  pause(ms: number): Promise<void>;
}

async function write(response: ServerResponse, bytes: Buffer): Promise<void> {
  if (bytes.length === 0) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('close', done);
      resolve();
    };
    response.once('close', done);
    response.write(bytes, done);
  });
}

function sendBomb(size: number, answer: Answer, response: ServerResponse): void {
  response.writeHead(answer.status, { ...answer.headers, 'content-encoding': 'gzip' });
  const gzip = createGzip({ level: 9 });
  gzip.pipe(response);
  response.once('close', () => gzip.destroy());
  const zeros = Buffer.alloc(1 << 20);
  let left = size;
  const more = (): void => {
    while (left > 0 && !gzip.destroyed) {
      left -= zeros.length;
      if (!gzip.write(zeros)) {
        gzip.once('drain', more);
        return;
      }
    }
    if (!gzip.destroyed) gzip.end();
  };
  more();
}
