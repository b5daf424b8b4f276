import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** Knows the requests that are being answered, so that stopping can wait for them. */
export class RequestsUnderWay {
  readonly #answers = new Set<ServerResponse>();
  #isStopping = false;
  #idle: (() => void) | undefined;

  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** To be told when a request comes. Connections are not kept alive any more once stopping has begun. */
  begin(res: ServerResponse): void {
    this.#answers.add(res);
    if (this.#isStopping) res.shouldKeepAlive = false;
  }

  /** To be told when an answer was sent or broken off. */
  ended(res: ServerResponse): void {
    this.#answers.delete(res);
    if (this.#answers.size === 0) this.#idle?.();
  }

  /** The answers under way on a connection: one, or several of a client that does not wait. */
  on(socket: Duplex): readonly ServerResponse[] {
    return [...this.#answers].filter(({ req }) => req.socket === socket);
  }

  /** From now on the server says that it stops, and answers end their connections. */
  beginStopping(): void {
    this.#isStopping = true;
    for (const res of this.#answers) res.shouldKeepAlive = false;
  }

  /** Resolves when no request is left. */
  drained(): Promise<void> {
    if (this.#answers.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }
}
