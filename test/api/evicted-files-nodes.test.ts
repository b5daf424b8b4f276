import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { collect, isStored, JSON_PAGE, letGo, type Page, pathOf, pull } from '../support/evicting.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { startSharedEngines } from '../support/many-nodes.ts';
import { type BuiltFile, makeWheel } from '../support/wheel.ts';

const engines = await startSharedEngines();
after(() => engines.stop());

const DAY = 24 * 60 * 60_000;

describe('files that one node lets go', { skip: engines.skip }, () => {
  it('are gone for the others with the next request, who pull them through again; what others have used stays', async (t) => {
    const up = await fakeUpstream(t);
    const [used, gone] = ['used', 'gone'].map((name) => makeWheel({ name, version: '1.0', padding: 10_000 })) as [
      BuiltFile,
      BuiltFile,
    ];
    for (const wheel of [used, gone]) up.project(wheel.name).add(wheel, { size: false });
    const clock = new FakeClock();
    const cellar = await engines.cellar(t);
    const limits = { minFreeBytes: '0B', stopGrace: '2s', cacheBytes: 0 };
    const repositories = { pypi: { kind: 'upstream', url: up.url } };
    const config = { limits, repositories, indexes: { main: { repositories: ['pypi'] } } };
    const node = () => cellar.node({ clock, config });
    const [one, other] = [await node(), await node()];
    for (const wheel of [used, gone]) await pull(one, wheel);
    const sizeAt = async (app: typeof one) =>
      ((await (await app.get('/simple/gone/', JSON_PAGE)).json()) as Page).files[0]?.size;
    assert.equal(await sizeAt(other), gone.bytes.length);
    // One begins with a collection of its own accord.
    assert.equal((await collect(one)).evicted, 0);
    await clock.advance(40 * DAY, { wakes: false });
    assert.equal((await other.get(pathOf(used), { method: 'HEAD' })).status, 200);
    assert.equal(await sizeAt(other), gone.bytes.length);
    // What it has noted is written when it stops, as it is once a minute. Either may come to the collection first.
    const again = await other.restart();
    await collect(one);
    assert.deepEqual(await letGo(one), [`pypi/gone/${gone.filename}`]);
    assert.deepEqual([await isStored(again, used), await isStored(again, gone)], [true, false]);
    assert.equal(await sizeAt(again), undefined);
    assert.equal((await again.get(`/offline${pathOf(gone)}`)).status, 404);
    await pull(again, gone);
    assert.equal(up.requests(`/files/${gone.filename}`), 2);
    assert.equal(await sizeAt(one), gone.bytes.length);
    assert.equal(await isStored(one, gone), true);
  });
});
