import type { IncomingMessage } from 'node:http';
import type { Logger } from '../log.ts';
import type { Actor, Principal } from '../model/access.ts';
import { requestIds } from './request-id.ts';

/** What the log tells of an answer. */
export interface Sent {
  /** Bytes of the body, as `Content-Length` says. */
  readonly length: number;
  /** Its `Cache-Status`, and the word in that. */
  readonly cache?: string | undefined;
  readonly outcome?: string | undefined;
}

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
  /** What the request counts as, where that is known without a look at its address. */
  route: 'page' | 'file' | undefined;
  /** What was sent with a head that was ready-made: what Node then does not know, and the log tells. */
  sent: Sent | undefined;
}

const ANONYMOUS: Principal = { kind: 'anonymous', name: 'anonymous', can: [] };
// On the request itself: a weak map costs the collector more than all else that a short answer does.
const CONTEXT = Symbol('context');

interface WithContext extends IncomingMessage {
  [CONTEXT]?: RequestContext;
}

const nextId = requestIds();

/** Begins the context of a request; called once, before anything else. */
export function beginContext(
  req: IncomingMessage,
  parts: { address: string; nowMs: number; log: Logger },
): RequestContext {
  const context: RequestContext = {
    id: nextId(),
    address: parts.address,
    startedAt: parts.nowMs,
    log: parts.log,
    principal: ANONYMOUS,
    route: undefined,
    sent: undefined,
  };
  (req as WithContext)[CONTEXT] = context;
  return context;
}

/** The context of a request that has begun. */
export function contextOf(req: IncomingMessage): RequestContext {
  const context = (req as WithContext)[CONTEXT];
  if (context === undefined) throw new Error('the request has no context: beginContext has not run');
  return context;
}

/** Who to name in the audit trail. */
export function actorOf(req: IncomingMessage): Actor {
  const { principal, address } = contextOf(req);
  return { name: principal.name, address };
}
