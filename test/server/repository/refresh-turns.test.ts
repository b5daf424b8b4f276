import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { first } from '../../../server/catalog/catalog.ts';
import { sql } from '../../../server/catalog/schema.ts';
import { rememberPage } from '../../../server/catalog/upstream-pages.ts';
import type { ProjectName } from '../../../server/model/project-name.ts';
import { Problem } from '../../../server/problem.ts';
import { RefreshTurns, type Turn } from '../../../server/repository/refresh-turns.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { testCatalog } from '../../support/test-catalog.ts';
import { whileTimePasses } from '../../support/while-time-passes.ts';

const name = 'demo' as ProjectName;
const KEY = { repository: 'pypi', name, timeoutMs: 10_000 };
const ASK = { ...KEY, checkedAt: undefined };

/** Several nodes on one catalog. What one asks for is answered by hand. */
async function setUp(t: Parameters<typeof testCatalog>[0]) {
  const catalog = await testCatalog(t);
  const clock = new FakeClock();
  const log = pino({ level: 'silent' });
  const asked: Promise<Turn>[] = [];
  const node = () => {
    const turns = new RefreshTurns({ catalog, clock, log });
    const begun = Promise.withResolvers<Turn>();
    const answer = Promise.withResolvers<void>();
    asked.push(begun.promise);
    let times = 0;
    const take = (request = ASK as Parameters<RefreshTurns['take']>[0]) =>
      turns.take(request, async (turn) => {
        times += 1;
        begun.resolve(turn);
        await answer.promise;
        await catalog.write(function* () {
          yield* remembered(clock.nowMs());
          yield* turn.finish();
        });
      });
    return {
      turns,
      take,
      begun: begun.promise,
      answer,
      get times() {
        return times;
      },
    };
  };
  const rows = () => catalog.read(() => first(sql.selectFrom('page_refresh').select('holder')));
  return { catalog, clock, node, rows };
}

function* remembered(checkedAt: number) {
  const answer = { present: false, status: 'active', statusReason: undefined, etag: undefined } as const;
  const times = { checkedAt, freshUntil: checkedAt, suspectSince: undefined, serial: undefined };
  yield* rememberPage({ repository: 'pypi', name, ...answer, ...times });
}

test('one node asks; the other waits and has the answer', async (t) => {
  const { clock, node, rows } = await setUp(t);
  const [one, other] = [node(), node()];
  const first = one.take();
  assert.equal((await one.begun).withinMs, 10_000);
  const second = other.take();
  await clock.untilSleeping();
  await clock.advance(500);
  one.answer.resolve();
  await first;
  await whileTimePasses(clock, second);
  assert.deepEqual([one.times, other.times], [1, 0]);
  assert.equal(await rows(), undefined);
});

test('a node that has not seen an answer that is there asks nobody', async (t) => {
  const { catalog, clock, node } = await setUp(t);
  await catalog.write(() => remembered(clock.nowMs()));
  const one = node();
  await one.take();
  assert.equal(one.times, 0);
  one.answer.resolve();
  await clock.advance(1_000);
  await one.take({ ...KEY, checkedAt: clock.nowMs() - 1_000 });
  assert.equal(one.times, 1);
});

test('a turn that ends without an answer is taken by the next, for the rest of its time', async (t) => {
  const { clock, node } = await setUp(t);
  const [one, other] = [node(), node()];
  const failing = assert.rejects(one.take(), /refused/);
  await one.begun;
  const second = other.take();
  await clock.untilSleeping();
  await clock.advance(4_000);
  one.answer.reject(new Error('refused'));
  await failing;
  await whileTimePasses(clock, other.begun);
  assert.ok((await other.begun).withinMs <= 6_000);
  other.answer.resolve();
  await second;
});

test('a node that died in its turn keeps the others from asking for the turn only', async (t) => {
  const { clock, node } = await setUp(t);
  const [dead, other, third] = [node(), node(), node()];
  void dead.take().catch(() => {});
  await dead.begun;
  const waiting = assert.rejects(
    other.take(),
    (error) => error instanceof Problem && error.slug === 'upstream-timeout',
  );
  await whileTimePasses(clock, waiting);
  await clock.advance(6_000);
  third.answer.resolve();
  await third.take();
  assert.equal(third.times, 1);
});

test('what dead nodes have left is swept, and a node that stops waits for nobody', async (t) => {
  const { clock, node, rows } = await setUp(t);
  const [dead, other] = [node(), node()];
  void dead.take().catch(() => {});
  await dead.begun;
  const waiting = assert.rejects(other.take(), (error) => error instanceof Problem && error.slug === 'stopping');
  await clock.untilSleeping();
  other.turns.stop();
  await waiting;
  await other.turns.sweep();
  assert.notEqual(await rows(), undefined);
  await clock.advance(15_001);
  await other.turns.sweep();
  assert.equal(await rows(), undefined);
});
