import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accessServer } from '../support/access-server.ts';
import { BOOTSTRAP_TOKEN, basic } from '../support/test-access.ts';

describe('an address that somebody made up', () => {
  const guess = (url: string, i: number) =>
    fetch(`${url}/admin/tokens`, {
      headers: {
        Authorization: basic(`guess ${i}`),
        'X-Forwarded-For': `203.0.113.${i}`,
        'X-Real-IP': `203.0.113.${i}`,
      },
    });

  it('does not help to go on guessing', async (t) => {
    const { url } = await accessServer(t, { failuresPerMinute: 3 });
    const answers = [];
    for (let i = 0; i < 5; i++) answers.push(await guess(url, i));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [401, 401, 401, 429, 429],
    );
    assert.match(answers.at(-1)?.headers.get('retry-after') ?? '', /^[1-9]\d?$/);
    const good = await fetch(`${url}/admin/tokens`, { headers: { Authorization: basic(BOOTSTRAP_TOKEN) } });
    assert.equal(good.status, 200);
    await Promise.all([good, ...answers].map((answer) => answer.body?.cancel()));
  });

  it('is not in the audit trail, but that of a trusted proxy is', async (t) => {
    for (const [trustProxy, expected] of [
      [[], '127.0.0.1'],
      [['127.0.0.0/8'], '203.0.113.7'],
    ] as const) {
      const { url, audit } = await accessServer(t, { trustProxy });
      const response = await fetch(`${url}/admin/tokens`, {
        method: 'POST',
        headers: { Authorization: basic(BOOTSTRAP_TOKEN), 'X-Forwarded-For': '198.51.100.1, 203.0.113.7' },
        body: JSON.stringify({ name: 'x', can: ['read'] }),
      });
      assert.equal(response.status, 201);
      await response.body?.cancel();
      const { events } = await audit.page({ limit: 1 });
      assert.equal(events[0]?.address, expected);
    }
  });

  it('behind a trusted proxy keeps one client from shutting out another', async (t) => {
    const { url } = await accessServer(t, { trustProxy: ['127.0.0.1'], failuresPerMinute: 1 });
    const statuses = [];
    for (const i of [1, 1, 2]) statuses.push((await guess(url, i)).status);
    assert.deepEqual(statuses, [401, 429, 401]);
  });
});
