import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

// Clients that do not wait for answers at all send a few requests ahead, never a hundred.
const MOST_WAITING = 100;

/** The requests of one connection that have no answer yet. */
class Line {
  readonly waiting: ServerResponse[] = [];
  current: ServerResponse | undefined;
  isOver = false;
}

// On the connection itself: many requests come over one.
const LINE = Symbol('line');

interface Connection extends Socket {
  [LINE]?: Line;
}

/** What a request has to do: be answered now, later, or not at all. */
type Turn = 'now' | 'later' | 'never';

/**
 * Answers of one connection one after the other: to requests that come before the answer to an earlier one (pipelining; RFC 9112, 9.3.2) as
 * well. They can only be sent in that order, and each that is begun holds a file and memory, while a client that does not read can
 * ask for thousands with what fits into one packet. Whoever sends more than a few ahead is disconnected.
 */
export class ConnectionTurns {
  readonly #onTooMany: (req: IncomingMessage) => void;

  /** `onTooMany`: called once for a connection that is cut off. */
  constructor(onTooMany: (req: IncomingMessage) => void) {
    this.#onTooMany = onTooMany;
  }

  /** To be asked once about each request, as it comes. */
  turnOf(req: IncomingMessage, res: ServerResponse): Turn {
    const socket: Connection = req.socket;
    socket[LINE] ??= new Line();
    const line = socket[LINE];
    if (line.isOver) return 'never';
    if (line.current === undefined) {
      line.current = res;
      return 'now';
    }
    if (line.waiting.length < MOST_WAITING) {
      line.waiting.push(res);
      return 'later';
    }
    line.isOver = true;
    this.#onTooMany(req);
    socket.destroy();
    return 'never';
  }

  /**
   * To be told when an answer was sent or broken off; tells whose turn it is: nobody's once the connection ends, since no answer could be
   * sent (RFC 9112, 9.6).
   */
  ended(res: ServerResponse): ServerResponse | undefined {
    const socket: Connection = res.req.socket;
    const line = socket[LINE];
    if (line?.current !== res) return undefined;
    if (socket.destroyed || endsConnection(res)) line.isOver = true;
    line.current = line.isOver ? undefined : line.waiting.shift();
    return line.current;
  }
}

function endsConnection(res: ServerResponse): boolean {
  return !res.shouldKeepAlive || res.getHeader('connection') === 'close';
}
