import type { IncomingMessage, ServerResponse } from 'node:http';

// Many clients look at the answer only when the whole body is sent. What is read here is thrown away, so it costs little.
const LIMITS = { maxBytes: 512 * 1024 * 1024, maxMs: 30_000 };

/** Has the request a body of which not all has arrived? */
export function isBodyPending(req: IncomingMessage): boolean {
  const hasBody = req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0;
  return hasBody && !req.complete && !req.destroyed;
}

/**
 * Sends an answer whose headers are set (`Content-Length` among them) while the request's body is still under way, and says
 * that the connection ends. Reads on, up to a limit of bytes and of time, and keeps nothing: closing with bytes unread would
 * reset the connection, and the client could lose the answer.
 */
export function answerBeforeBody(
  req: IncomingMessage,
  res: ServerResponse,
  body: string,
  limits: { readonly maxBytes: number; readonly maxMs: number } = LIMITS,
): void {
  const { socket } = req;
  res.setHeader('Connection', 'close');
  if (req.method === 'HEAD' || body === '') res.flushHeaders();
  else res.write(body);
  let drained = 0;
  let isOver = false;
  // Node destroys the connection as soon as the response has ended, so that comes last.
  const finish = (): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    res.end();
  };
  const timer = setTimeout(finish, limits.maxMs);
  timer.unref();
  req.unpipe();
  req.on('data', (chunk: Buffer) => {
    drained += chunk.length;
    if (drained > limits.maxBytes) finish();
  });
  req.once('end', finish);
  // A client that went away or broke its body off: nobody is left to be told.
  req.once('error', () => socket.destroy());
  req.once('close', finish);
  req.resume();
}
