import type { IncomingMessage, ServerResponse } from 'node:http';
import { outcomeOf } from './cache-status.ts';
import { contextOf, type Sent } from './request-context.ts';

/** What the head of an answer says. */
interface HeadFacts {
  readonly status: number;
  /** Names and values in turns, as Node takes them without another look. */
  readonly headers: readonly string[];
  /** Bytes of the body, as `Content-Length` says. */
  readonly length: number;
  /** The `Cache-Status` among the headers. */
  readonly cache: string | undefined;
}

/** The head of an answer, made before it is asked for. */
export class ReadyHead implements Sent {
  readonly length: number;
  readonly cache: string | undefined;
  readonly outcome: string | undefined;
  readonly #status: number;
  // One list for all answers: Node has read it when `writeHead` returns.
  readonly #headers: string[];
  readonly #idAt: number;

  constructor({ status, headers, length, cache }: HeadFacts) {
    this.length = length;
    this.cache = cache;
    this.outcome = cache === undefined ? undefined : outcomeOf(cache);
    this.#status = status;
    this.#headers = [...headers, 'X-Request-Id', ''];
    this.#idAt = headers.length + 1;
  }

  /** Writes it, with the request's id, and tells the log what it said: Node does not keep headers that come in a list. */
  write(req: IncomingMessage, res: ServerResponse): void {
    const context = contextOf(req);
    context.sent = this;
    this.#headers[this.#idAt] = context.id;
    res.writeHead(this.#status, this.#headers);
  }
}
