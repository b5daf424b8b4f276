import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

/** Counts the requests that are being answered, so that stopping can wait for them. */
export class RequestsUnderWay {
  #count = 0;
  #isStopping = false;
  #idle: (() => void) | undefined;

  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** The listener, counted; connections are not kept alive any more once stopping has begun. */
  counted(listener: RequestListener): RequestListener {
    return (req: IncomingMessage, res: ServerResponse) => {
      this.#count += 1;
      if (this.#isStopping) res.setHeader('Connection', 'close');
      res.on('close', this.#ended);
      listener(req, res);
    };
  }

  readonly #ended = (): void => {
    this.#count -= 1;
    if (this.#count === 0) this.#idle?.();
  };

  /** From now on the server says that it stops, and answers end their connections. */
  beginStopping(): void {
    this.#isStopping = true;
  }

  /** Resolves when no request is left. */
  drained(): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }
}
