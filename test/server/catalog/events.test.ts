import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { appendEvent, listEvents } from '../../../server/catalog/events.ts';
import { testCatalog } from '../../support/test-catalog.ts';

const actor = { name: 'ci', address: '192.0.2.7' };

describe('the audit trail', () => {
  it('keeps what happened, in order, with its detail', async (t) => {
    const catalog = await testCatalog(t);
    await catalog.write(function* () {
      yield* appendEvent({ kind: 'upload', actor, subject: 'project/flask', detail: { file: 'ü.whl' }, at: 2000 });
      yield* appendEvent({ kind: 'yank', actor: { name: 'root' }, subject: 'project/flask', at: 2000 });
      yield* appendEvent({ kind: 'upload', actor, subject: 'project/a', at: 10 });
    });
    const events = await catalog.read(() => listEvents({ limit: 10 }));
    assert.deepEqual(
      events.map(({ id, ...event }) => event),
      [
        { at: 2000, kind: 'yank', by: 'root', subject: 'project/flask', detail: {} },
        {
          at: 2000,
          kind: 'upload',
          by: 'ci',
          address: '192.0.2.7',
          subject: 'project/flask',
          detail: { file: 'ü.whl' },
        },
        { at: 10, kind: 'upload', by: 'ci', address: '192.0.2.7', subject: 'project/a', detail: {} },
      ],
    );
    assert.equal(new Set(events.map(({ id }) => id)).size, 3);
  });

  it('can be paged back, followed, and narrowed', async (t) => {
    const catalog = await testCatalog(t);
    await catalog.write(function* () {
      for (let at = 1; at <= 6; at += 1) {
        yield* appendEvent({ kind: at % 2 === 0 ? 'even' : 'odd', actor, subject: at > 3 ? 'late' : 'early', at });
      }
    });
    const list = async (filter: Parameters<typeof listEvents>[0]) => catalog.read(() => listEvents(filter));
    const times = async (filter: Parameters<typeof listEvents>[0]) => (await list(filter)).map(({ at }) => at);
    const newest = await list({ limit: 2 });
    assert.deepEqual(
      newest.map(({ at }) => at),
      [6, 5],
    );
    const oldestSeen = newest.at(-1)?.id ?? '';
    assert.deepEqual(await times({ limit: 2, before: oldestSeen }), [4, 3]);
    assert.deepEqual(await times({ limit: 9, after: oldestSeen }), [6]);
    assert.deepEqual(await times({ limit: 9, after: '' }), [1, 2, 3, 4, 5, 6]);
    assert.deepEqual(await times({ limit: 9, kind: 'odd' }), [5, 3, 1]);
    assert.deepEqual(await times({ limit: 9, kind: 'odd', subject: 'late' }), [5]);
    assert.deepEqual(await times({ limit: 0 }), [6]);
  });

  it('has nothing of a script that failed', async (t) => {
    const catalog = await testCatalog(t);
    const failing = function* () {
      yield* appendEvent({ kind: 'upload', actor, subject: 'x', at: 1 });
      throw new Error('no');
    };
    await assert.rejects(catalog.write(failing), /no/);
    assert.deepEqual(await catalog.read(() => listEvents({ limit: 10 })), []);
  });
});
