import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lru } from '../../storage/lru.ts';

test('the least recently used goes first, and whoever held it is told', () => {
  const dropped: string[] = [];
  const lru = new Lru<string, string>({
    capacity: 6,
    weigh: (value) => value.length,
    onDrop: (value) => dropped.push(value),
  });
  lru.set('a', 'aa');
  lru.set('b', 'bb');
  lru.set('c', 'cc');
  assert.equal(lru.get('a'), 'aa');
  lru.set('d', 'ddd');
  assert.deepEqual(dropped, ['bb', 'cc']);
  assert.equal(lru.weight, 5);
  lru.set('a', 'a');
  assert.deepEqual([dropped.at(-1), lru.weight], ['aa', 4]);
  lru.set('e', 'too heavy');
  assert.equal(lru.get('e'), undefined);
  assert.equal(lru.weight, 0);
  lru.clear();
  assert.deepEqual(dropped, ['bb', 'cc', 'aa', 'ddd', 'a', 'too heavy']);
});
