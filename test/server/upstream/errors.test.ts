import assert from 'node:assert/strict';
import { test } from 'node:test';
import { upstreamErrorOf } from '../../../server/upstream/errors.ts';

function failed(code: string): Error {
  return Object.assign(new Error(`connect ${code}`), { code, syscall: 'connect' });
}

test('what this machine has run out of says nothing of the upstream', () => {
  for (const code of ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']) {
    const wrapped = new TypeError('fetch failed', { cause: new AggregateError([failed(code), failed(code)]) });
    for (const error of [failed(code), wrapped]) assert.equal(upstreamErrorOf(error).kind, 'here', code);
  }
  assert.equal(upstreamErrorOf(failed('ECONNREFUSED')).kind, 'unreachable');
});
