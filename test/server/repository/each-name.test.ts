import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProjectName } from '../../../server/model/project-name.ts';
import { eachName } from '../../../server/repository/each-name.ts';

const NAMES = Array.from({ length: 4_500 }, (_, index) => `p${String(index).padStart(5, '0')}` as ProjectName);

async function next(after: string, limit: number): Promise<readonly ProjectName[]> {
  return NAMES.filter((name) => name > after).slice(0, limit);
}

test('every name comes once, in order, in batches', async () => {
  const names: ProjectName[] = [];
  for await (const name of eachName(next)) names.push(name);
  assert.deepEqual(names, NAMES);
});

test('others have their turn between the batches, although the answers come at once', async () => {
  let turns = 0;
  const count = (): void => {
    turns += 1;
    counting = setImmediate(count);
  };
  let counting = setImmediate(count);
  let last: ProjectName | undefined;
  for await (const name of eachName(next)) last = name;
  clearImmediate(counting);
  assert.equal(last, NAMES.at(-1));
  assert.ok(turns >= 4, `${turns} turns`);
});
