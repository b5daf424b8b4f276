import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SingleFlight } from '../../../server/upstream/single-flight.ts';
import { problem } from './an-upstream.ts';

test('one run per key at a time; whoever asks meanwhile shares its outcome, and nothing is kept', async () => {
  const flight = new SingleFlight<string, number>();
  const gates = [Promise.withResolvers<number>(), Promise.withResolvers<number>()] as const;
  let runs = 0;
  const work = (): Promise<number> => gates[runs++ as 0 | 1].promise;
  const first = Array.from({ length: 50 }, () => flight.run('a', work));
  await Promise.resolve();
  assert.equal(runs, 1);
  gates[0].resolve(7);
  assert.deepEqual(new Set(await Promise.all(first)), new Set([7]));
  assert.equal(flight.size, 0);
  const second = flight.run('a', work);
  gates[1].resolve(8);
  assert.equal(await second, 8);
});

test('errors are shared and not kept, thrown at once or later', async () => {
  const flight = new SingleFlight<string, number>();
  const throwing = (): Promise<number> => {
    throw new Error('no');
  };
  await assert.rejects(flight.run('a', throwing), /no/);
  const both = [flight.run('a', () => Promise.reject(new Error('shared'))), flight.run('a', () => Promise.resolve(1))];
  for (const run of both) await assert.rejects(run, /shared/);
  assert.equal(await flight.run('a', () => Promise.resolve(2)), 2);
});

test('keys do not wait for each other, and there may be only so many', async () => {
  const flight = new SingleFlight<string, number>({ max: 2 });
  const gate = Promise.withResolvers<number>();
  const waiting = flight.run('a', () => gate.promise);
  assert.equal(await flight.run('b', () => Promise.resolve(1)), 1);
  const other = flight.run('b', () => gate.promise);
  await assert.rejects(
    flight.run('c', () => Promise.resolve(1)),
    problem('upstream-unavailable'),
  );
  gate.resolve(3);
  assert.deepEqual(await Promise.all([waiting, other]), [3, 3]);
});
