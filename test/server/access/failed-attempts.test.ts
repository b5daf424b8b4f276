import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FailedAttempts } from '../../../server/access/failed-attempts.ts';

describe('the count of failed attempts', () => {
  it('ends with its time', async (t) => {
    t.mock.timers.enable({ apis: ['Date', 'setTimeout'] });
    const attempts = new FailedAttempts({ attempts: 1, perSeconds: 60 });
    assert.equal(await attempts.count('192.0.2.1'), undefined);
    assert.equal(await attempts.count('192.0.2.1'), 60);
    t.mock.timers.tick(59_500);
    assert.equal(await attempts.count('192.0.2.1'), 1);
    t.mock.timers.tick(500);
    assert.equal(await attempts.count('192.0.2.1'), undefined);
  });

  it('remembers only so many addresses, and forgets the one that was quiet longest', async () => {
    const attempts = new FailedAttempts({ attempts: 1, addresses: 2 });
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.2', '192.0.2.3']) await attempts.count(address);
    assert.notEqual(await attempts.count('192.0.2.2'), undefined);
    assert.equal(await attempts.count('192.0.2.1'), undefined);
  });

  it('takes an IPv4 address in IPv6 clothes for what it is', async () => {
    const attempts = new FailedAttempts({ attempts: 1 });
    await attempts.count('::ffff:192.0.2.1');
    assert.equal(await attempts.count('::ffff:192.0.2.2'), undefined);
    assert.notEqual(await attempts.count('192.0.2.1'), undefined);
  });
});
