import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { startSharedEngines } from '../support/many-nodes.ts';
import { finished, post } from '../support/mirroring.ts';
import { makeWheel } from '../support/wheel.ts';

const engines = await startSharedEngines();
after(() => engines.stop());

const ONE = makeWheel({ name: 'acme-lib', version: '1.0' });
const TWO = makeWheel({ name: 'acme-lib', version: '2.0' });

describe('an import on many nodes', { skip: engines.skip }, () => {
  it('is taken over from a node that was killed, with the password of the source, which then is forgotten', async (t) => {
    const up = await fakeUpstream(t, { credentials: { user: 'u', password: 'secret' } });
    up.project('acme-lib').add(ONE).add(TWO);
    up.order(`/files/${TWO.filename}`, { hang: true });
    const cellar = await engines.cellar(t);
    const victim = await cellar.program();
    const headers = { authorization: `Bearer ${victim.token}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ simple: up.url, credentials: { username: 'u', password: 'secret' } });
    const answer = await victim.get('/admin/import', { method: 'POST', headers, body });
    const path = answer.headers.get('location') ?? '';
    await up.waitFor(`/files/${TWO.filename}`);
    let stored = false;
    while (!stored) stored = (await victim.get(`/offline/simple/acme-lib/${ONE.filename}`)).ok;
    const kept = await cellar.query('SELECT secret FROM job WHERE secret IS NOT NULL');
    assert.equal(kept.length, 1);
    await victim.stop('SIGKILL');
    up.order(`/files/${TWO.filename}`);
    const survivor = await cellar.node();
    // As if it had been silent for a minute: then it counts as dead.
    await cellar.query('UPDATE job SET lease_until = 0');
    const job = await finished(survivor, path);
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    assert.deepEqual([job.counts.stored, job.counts.present], [1, 1]);
    assert.equal(up.requests(`/files/${ONE.filename}`), 1);
    assert.deepEqual(await cellar.query('SELECT secret FROM job WHERE secret IS NOT NULL'), []);
  });

  it('takes files of one list on every node', async (t) => {
    const cellar = await engines.cellar(t);
    const [one, other] = [await cellar.node(), await cellar.node()];
    const files = [ONE, TWO].map(({ filename, sha256 }) => ({ filename, sha256 }));
    const path = (await post(one, '/admin/import', { files })).headers.get('location') ?? '';
    const send = (node: typeof one, file: typeof ONE) =>
      node.admin(`/admin/import/${path.split('/').at(-1)}/files/${file.filename}`, {
        method: 'PUT',
        body: new Uint8Array(file.bytes),
      });
    const answers = await Promise.all([send(one, ONE), send(other, ONE), send(other, TWO), send(one, TWO)]);
    assert.deepEqual(
      answers.map(({ ok }) => ok),
      [true, true, true, true],
    );
    const job = await finished(other, path);
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    assert.equal((job.counts.stored ?? 0) + (job.counts.present ?? 0), 2);
    assert.equal(job.counts.entriesDone, 2);
  });
});
