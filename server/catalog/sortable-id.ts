import { randomBytes } from 'node:crypto';

let lastAt = 0;
let counter = 0;

/**
 * A unique text that sorts by the time `at` (milliseconds): 13 digits, a counter so that what one process makes within a
 * millisecond keeps its order, a random tail. Safe in a URL.
 */
export function sortableId(at: number): string {
  counter = at === lastAt ? counter + 1 : 0;
  lastAt = at;
  return `${String(at).padStart(13, '0')}-${String(counter).padStart(6, '0')}-${randomBytes(6).toString('hex')}`;
}
