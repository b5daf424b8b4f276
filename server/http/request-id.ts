import { randomUUID } from 'node:crypto';

const FIRST = 0x1000_0000;
const LAST = 0x7fff_ffff;

/** A source of ids that no other process gives: in the form of a UUID (RFC 9562), of which the last eight digits count. */
export function requestIds(): () => string {
  let prefix = '';
  let next = LAST + 1;
  return () => {
    if (next > LAST) {
      // To make a UUID anew for each request is a twentieth of what a short answer leaves to the collector.
      prefix = randomUUID().slice(0, -8);
      next = FIRST;
    }
    const id = prefix + next.toString(16);
    next += 1;
    return id;
  };
}
