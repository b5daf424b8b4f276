import type { IncomingMessage } from 'node:http';
import type { Authorizer } from '../access/authorizer.ts';
import { contextOf } from './request-context.ts';

/** Lets whoever may read pass, be it one project alone. Throws what `authorize` throws to the others. */
export function mayReadSomething(access: Authorizer, req: IncomingMessage): void {
  const { principal } = contextOf(req);
  const isReader = principal.can.some((action) => action === 'read' || action === 'admin');
  if (!isReader) access.authorize(principal, 'read', { kind: 'server' });
}
