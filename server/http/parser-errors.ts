import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from '../log.ts';
import { Problem } from '../problem.ts';
import { problemDocument, reasonPhrase } from './problem-response.ts';

/**
 * A listener for `clientError`: answers what Node's parser refuses, before there is a request that could be routed, as every other
 * refusal (RFC 9457), and ends the connection. Nothing goes to a client that has had the beginning of an answer; an answer to an
 * earlier request of the same connection comes to its end first.
 */
export function refuseUnreadable(parts: {
  readonly log: Logger;
  /** The answers under way on a connection. */
  readonly answersOn: (socket: Duplex) => readonly ServerResponse[];
}): (error: NodeJS.ErrnoException, socket: Duplex) => void {
  const { log, answersOn } = parts;
  return (error, socket) => {
    // A reset, or a client that has gone: nobody is left to be told.
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const answers = answersOn(socket);
    const earlier = answers.filter(({ req }) => req.complete);
    if (earlier.length > 0) {
      for (const res of earlier) {
        res.shouldKeepAlive = false;
        res.once('close', () => socket.destroy());
      }
      return;
    }
    if (answers.some(({ headersSent }) => headersSent)) {
      socket.destroy();
      return;
    }
    const problem = unreadable(error.code);
    const id = randomUUID();
    log.info({ id, status: problem.status, problem: problem.slug, code: error.code }, 'request refused');
    socket.end(asBytes(problem, id), () => socket.destroy());
  };
}

function unreadable(code: string | undefined): Problem {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new Problem('head-too-large', 'The address and the headers together are larger than this server reads.');
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new Problem('request-timeout', 'The request did not arrive in time.');
  }
  return new Problem('malformed-request', 'This is no request that HTTP knows.');
}

function asBytes(problem: Problem, id: string): string {
  const body = problemDocument(problem, id);
  const { status, title, detail } = problem;
  return [
    `HTTP/1.1 ${status} ${reasonPhrase(`${title}: ${detail}`)}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${id}`,
    'X-Content-Type-Options: nosniff',
    'Cache-Control: no-store',
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}
