import assert from 'node:assert/strict';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { blobPath } from '../../storage/blob-path.ts';
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts';
import { multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { digestOf } from '../support/spooled.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { type BuiltFile, makeWheel } from '../support/wheel.ts';

const MINE = makeWheel({ name: 'mine', version: '1.0' });
const PULLED = makeWheel({ name: 'pulled', version: '1.0' });

/** A server with a wheel of its own and one that was pulled through, whose core metadata the store has lost. */
async function withLoss(t: TestContext): Promise<{ up: FakeUpstream; app: TestApp }> {
  const up = await fakeUpstream(t);
  up.project('pulled').add(PULLED);
  const first = await testApp(t, { upstream: up.url });
  const body = multipart(partsOf(MINE));
  assert.equal((await first.admin('/legacy/', { method: 'POST', headers: multipartHeaders(body), body })).status, 200);
  const pulled = await first.get(`/simple/pulled/${PULLED.filename}`);
  assert.deepEqual(Buffer.from(await pulled.arrayBuffer()), PULLED.bytes);
  await hasMetadata(first, PULLED); // which waits until the wheel is stored
  const app = await first.restart(); // nothing is open any more
  for (const { metadata } of [MINE, PULLED]) await lose(app, metadata);
  return { up, app };
}

async function lose(app: TestApp, bytes: Buffer): Promise<void> {
  await unlink(join(app.dataDir, 'blobs', blobPath(digestOf(bytes))));
}

async function hasMetadata(app: TestApp, { name, filename, metadata }: BuiltFile, view = ''): Promise<void> {
  const path = `${view}/simple/${name}/${filename}.metadata`;
  const answer = await app.get(path);
  assert.equal(answer.status, 200, path);
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), metadata, path);
  const part = await app.get(path, { headers: { range: 'bytes=9-12' } });
  assert.equal(await part.text(), metadata.subarray(9, 13).toString());
}

describe('core metadata that the store has lost', () => {
  for (const view of ['', '/offline']) {
    it(`are taken out of their wheel again, uploaded or pulled through, upstream up or not: ${view}/simple/`, async (t) => {
      const { up, app } = await withLoss(t);
      await up.refuse();
      await Promise.all([MINE, MINE, PULLED, PULLED].map((wheel) => hasMetadata(app, wheel, view)));
      const again = await app.restart();
      for (const wheel of [MINE, PULLED]) await hasMetadata(again, wheel, view);
    });
  }

  it('come from upstream again when their wheel is not stored', async (t) => {
    const up = await fakeUpstream(t);
    up.project('pulled').add(PULLED);
    const app = await testApp(t, { upstream: up.url });
    await hasMetadata(app, PULLED);
    const again = await app.restart();
    await lose(again, PULLED.metadata);
    await hasMetadata(again, PULLED);
    assert.equal(up.requests(`/files/${PULLED.filename}`), 0);
  });

  it('are missing for a while, and not for ever, when nobody has them', async (t) => {
    const { app } = await withLoss(t);
    await lose(app, MINE.bytes);
    const answer = await app.get(`/simple/mine/${MINE.filename}.metadata`);
    assert.equal(answer.status, 503);
    assert.ok(Number(answer.headers.get('retry-after')) >= 1);
  });

  it('are mended by verification', async (t) => {
    const { app } = await withLoss(t);
    assert.deepEqual(await verified(app), [2, 2]);
    for (const wheel of [MINE, PULLED]) await hasMetadata(app, wheel);
  });
});

describe('what the store has lost of a name that has become private since', () => {
  it('is asked of no upstream by verification either, and stays known as lost', async (t) => {
    const up = await fakeUpstream(t);
    up.project('pulled').add(PULLED);
    const first = await testApp(t, { upstream: up.url });
    await (await first.get(`/simple/pulled/${PULLED.filename}`)).arrayBuffer();
    await hasMetadata(first, PULLED);
    const { dataDir } = first;
    await first.stop();
    const asked = up.requests();
    const indexes = { main: { repositories: ['local', 'pypi'], private: ['pulled'] } };
    const second = await testApp(t, { upstream: up.url, dataDir, config: { indexes } });
    await lose(second, PULLED.metadata);
    assert.deepEqual(await verified(second), [1, 1], 'out of the wheel');
    const app = await second.restart(); // nothing is open any more
    for (const bytes of [PULLED.bytes, PULLED.metadata]) await lose(app, bytes);
    assert.deepEqual(await verified(app), [2, 0]);
    assert.deepEqual(await verified(app), [2, 0]);
    assert.equal(up.requests(), asked);
  });
});

/** How many blobs a verification finds missing, and how many of them it has repaired. */
async function verified(app: TestApp): Promise<readonly [missing: number | undefined, repaired: number | undefined]> {
  const started = await app.admin('/admin/verify', { method: 'POST' });
  const { id } = (await started.json()) as { id: string };
  // ends with the job
  await (await app.admin(`/admin/jobs/${id}/events`)).text();
  const job = (await (await app.admin(`/admin/jobs/${id}`)).json()) as { counts: Record<string, number> };
  return [job.counts.missing, job.counts.repaired];
}
