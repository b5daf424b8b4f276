import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Logger } from '../log.ts';
import type { Actor, Principal } from '../model/access.ts';

/** What is known of a request besides its bytes. */
export interface RequestContext {
  /** Also in `X-Request-Id`, in problems and in the log. */
  readonly id: string;
  /** The client's address; of a trusted proxy's client when it says so. */
  readonly address: string;
  readonly startedAt: number;
  readonly log: Logger;
  /** Who asks; set by `authenticate`. */
  principal: Principal;
}

const ANONYMOUS: Principal = { kind: 'anonymous', name: 'anonymous', can: [] };
const contexts = new WeakMap<IncomingMessage, RequestContext>();

/** Begins the context of a request; called once, before anything else. */
export function beginContext(
  req: IncomingMessage,
  parts: { address: string; nowMs: number; log: Logger },
): RequestContext {
  const id = randomUUID();
  const context: RequestContext = {
    id,
    address: parts.address,
    startedAt: parts.nowMs,
    log: parts.log,
    principal: ANONYMOUS,
  };
  contexts.set(req, context);
  return context;
}

/** The context of a request that has begun. */
export function contextOf(req: IncomingMessage): RequestContext {
  const context = contexts.get(req);
  if (context === undefined) throw new Error('the request has no context: beginContext has not run');
  return context;
}

/** Who to name in the audit trail. */
export function actorOf(req: IncomingMessage): Actor {
  const { principal, address } = contextOf(req);
  return { name: principal.name, address };
}
