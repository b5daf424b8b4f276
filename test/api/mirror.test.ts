import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts';
import { drill, finished, mirror, post, rewritten } from '../support/mirroring.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { type BuiltFile, makeSdist, makeWheel } from '../support/wheel.ts';

const A1 = makeWheel({ name: 'alpha', version: '1.0', requiresDist: ['beta'] });
const B1 = makeWheel({ name: 'beta', version: '1.0' });
const B2 = makeWheel({ name: 'beta', version: '2.0' });

async function world(t: Parameters<typeof fakeUpstream>[0]): Promise<{ up: FakeUpstream; app: TestApp }> {
  const up = await fakeUpstream(t);
  up.project('alpha').add(A1);
  up.project('beta').add(B1).add(B2);
  return { up, app: await testApp(t, { upstream: up.url }) };
}

function pins(...files: readonly BuiltFile[]): string {
  return files.map(({ name, version, sha256 }) => `${name}==${version} \\\n    --hash=sha256:${sha256}\n`).join('');
}

describe('mirroring a lock', () => {
  test('stores what is pinned, says so file by file, and a drill proves it with the upstream gone', async (t) => {
    const { up, app } = await world(t);
    const lock = { name: 'requirements.txt', content: pins(A1, B1) };
    const before = await drill(app, lock);
    assert.equal(before.ready, false);
    assert.deepEqual(
      before.missing.map(({ name, version }) => [name, version]),
      [
        ['alpha', '1.0'],
        ['beta', '1.0'],
      ],
    );
    assert.equal(up.requests(), 0, 'a drill asks nobody');
    const job = await mirror(app, lock);
    assert.equal(job.state, 'succeeded', JSON.stringify(job));
    assert.deepEqual(
      job.files.map(({ state, filename, sha256 }) => [state, filename, sha256]),
      [
        ['stored', A1.filename, A1.sha256],
        ['stored', B1.filename, B1.sha256],
      ],
    );
    assert.equal(job.bytes, A1.bytes.length + B1.bytes.length);
    await up.refuse();
    const after = await drill(app, lock);
    assert.deepEqual(
      { ready: after.ready, present: after.present, missing: after.missing },
      { ready: true, present: 2, missing: [] },
    );
    for (const file of [A1, B1]) {
      const answer = await app.get(`/simple/${file.name}/${file.filename}`);
      assert.equal(answer.status, 200);
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), file.bytes);
      assert.equal(
        await (await app.get(`/simple/${file.name}/${file.filename}.metadata`)).text(),
        file.metadata.toString(),
      );
    }
    assert.equal(await rewritten(app, job), lock.content);
    const again = await mirror(app, lock);
    assert.equal(again.state, 'succeeded');
    assert.deepEqual(
      again.files.map(({ state }) => state),
      ['present', 'present'],
    );
  });
});
void finished;
void post;
void makeSdist;
