import { readFileSync } from 'node:fs';

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

/** What package.json asks for, such as `>=22.22.2`. */
export const neededNode = engines.node;

/** Does this process run on a Node that is new enough? */
export function isNewEnough() {
  const needed = neededNode.replace(/^>=/, '').split('.').map(Number);
  const present = process.versions.node.split('.').map(Number);
  const at = [0, 1, 2].find((index) => present[index] !== needed[index]);
  return at === undefined || present[at] > needed[at];
}
