import type { IncomingMessage } from 'node:http';
import { isBodyPending } from './drain.ts';

// A client that sends nothing for so long has gone.
const IDLE_MS = 120_000;

/** Breaks a request off whose body is announced and does not come: nothing arrives for `idleMs`. To be called before the body is read. */
export function breakOffWhenIdle(req: IncomingMessage, idleMs = IDLE_MS): void {
  if (!isBodyPending(req)) return;
  req.setTimeout(idleMs, () => req.destroy());
  // What is done with it may take longer.
  req.once('end', () => req.setTimeout(0));
}
