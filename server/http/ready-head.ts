import type { IncomingMessage, ServerResponse } from 'node:http';
import { contextOf } from './request-context.ts';

/** The head of an answer, made before it is asked for. */
export interface ReadyHead {
  readonly status: number;
  /** Names and values in turns, as Node takes them without another look. */
  readonly headers: readonly string[];
  /** Bytes of the body, as `Content-Length` says. */
  readonly length: number;
  /** The `Cache-Status` among the headers. */
  readonly cache: string | undefined;
}

/** Writes the head, with the request's id, and tells the log what it said: Node does not keep headers that come in a list. */
export function writeReadyHead(req: IncomingMessage, res: ServerResponse, head: ReadyHead): void {
  const context = contextOf(req);
  context.sent = head;
  res.writeHead(head.status, [...head.headers, 'X-Request-Id', context.id]);
}
